import { routes } from "@licentric/contract";
import { ApiError } from "../http/api-error.ts";
import { bearer } from "../http/bearer.ts";
import { onChange, type RouteRegistration } from "../http/on-route.ts";
import { networkOf, type RateLimiter } from "../http/rate-limits.ts";
import { createConsoleCode, exchangeConsoleCode } from "./codes.ts";

/**
 * Exchange of a one-time code, sent as the bearer token, for the console's key. It is not in the route table, whose
 * callers have a key or a token: the console's own page asks it, and nobody else.
 */
export const CONSOLE_KEY_PATH = "/api/v1/console/keys";

/** Codes that one address may try in a minute. */
const TRIES = 30;

/** The console's sign-in: a code is made with a management key, and exchanged once for a key that ends. */
export function consoleRoutes(limiter: RateLimiter): RouteRegistration[] {
  return [
    onChange(routes.console.createCode, ({ caller, body, now }, tx, { randomBytes }) =>
      createConsoleCode(tx, caller, body, { now, randomBytes }),
    ),
    (app, { db, now, newId, randomBytes }) =>
      app.post(CONSOLE_KEY_PATH, async (request, reply) => {
        const tries = limiter.hit("address", `console ${networkOf(request.ip)}`, TRIES);
        if (tries.exceeded) {
          reply.header("retry-after", Math.max(1, Math.ceil(tries.reset - now().getTime() / 1_000)));
          throw new ApiError(
            "RATE_LIMITED",
            `More than ${TRIES} codes were tried from this address in a minute. Wait until it is over.`,
          );
        }
        const { secret } = bearer(request);
        const making = { now: now(), newId, randomBytes, requestId: request.id };
        const key = await db.transaction((tx) => exchangeConsoleCode(tx, secret, making));
        return reply.status(201).send({ data: key });
      }),
  ];
}

import { IdempotencyKey, type PathParams, type Route } from "@licentric/contract";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { type AgentCaller, type KeyCaller, requireKeyScope } from "../accounts/caller.ts";
import type { PresentedCredential } from "../accounts/secrets.ts";
import { recordChange } from "../audit/audit-events.ts";
import type { Services } from "../services.ts";
import type { Queryable } from "../store/database.ts";
import { within } from "../within.ts";
import { ApiError } from "./api-error.ts";
import { bearer } from "./bearer.ts";
import { once } from "./idempotency.ts";
import type { Page } from "./page.ts";
import { parse } from "./parse.ts";

/** Caller of a route, by the `auth` of its row in the route table. */
type CallerOf<R extends Route> = R["auth"] extends "key" ? KeyCaller : AgentCaller;

/** A request that was authenticated and checked against the route's schemas. */
export interface RouteRequest<R extends Route> {
  readonly caller: CallerOf<R>;
  readonly params: Record<PathParams<R["path"]>, string>;
  readonly query: R extends { query: infer Q extends z.ZodType } ? z.output<Q> : undefined;
  readonly body: R extends { body: infer B extends z.ZodType } ? z.output<B> : undefined;
  readonly idempotencyKey: string | null;
  /** True where the request asks for the route's `minimalResponse`. */
  readonly minimal: boolean;
  /** The moment at which the request arrived. */
  readonly now: Date;
}

/** Result of a route's handler: a page for a list, otherwise the value of `data`. */
type RouteAnswer<R extends Route> = R extends { list: true }
  ? Page<z.output<R["response"]>>
  : z.output<R["response"]> | MinimalAnswer<R>;

type MinimalAnswer<R extends Route> = R extends { minimalResponse: infer M extends z.ZodType }
  ? z.output<M>
  : never;

/** Adds one route to the app. */
export type RouteRegistration = (app: FastifyInstance, services: Services) => void;

/** Implements one row of the route table: authenticates, checks scope, query and body, and wraps the answer. */
export function onRoute<R extends Route>(
  route: R,
  handle: (request: RouteRequest<R>, services: Services) => Promise<RouteAnswer<R>>,
): RouteRegistration {
  return register(route, (request, services, { inTime }) => inTime(handle(request, services)));
}

/**
 * Implements a row of the route table that changes something: `change` runs in one transaction, and a repetition
 * with the same `Idempotency-Key` gets the first result again; an agent's, with any of its credentials. A change made with a management key is written to
 * the audit log here, so that none can be forgotten.
 *
 * @param finish makes the answer out of the result where more is to be done outside the transaction. It runs for a
 * repetition, too, so it must go on where it stopped. It waits for others than the database, by their own limits.
 */
export function onChange<R extends Route>(
  route: R,
  change: (request: RouteRequest<R>, tx: Queryable, services: Services) => Promise<RouteAnswer<R>>,
  finish?: Finish<R>,
): RouteRegistration {
  return onPreparedChange(route, async () => undefined, change, finish);
}

type Finish<R extends Route> = (
  result: RouteAnswer<R>,
  request: RouteRequest<R>,
  services: Services,
) => Promise<RouteAnswer<R>>;

/**
 * Implements a row of the route table whose change depends on what others than the database say.
 *
 * @param prepare finds it out before the transaction, and decides nothing: of a repetition, it is not looked at.
 */
export function onPreparedChange<R extends Route, Facts>(
  route: R,
  prepare: (request: RouteRequest<R>, services: Services) => Promise<Facts>,
  change: (
    request: RouteRequest<R>,
    tx: Queryable,
    services: Services,
    facts: Facts,
  ) => Promise<RouteAnswer<R>>,
  finish?: Finish<R>,
): RouteRegistration {
  return register(route, async (request, services, { secret, url, requestId, inTime }) => {
    const { db, newId, randomBytes } = services;
    const { caller, idempotencyKey: key, now, params } = request;
    const principal =
      caller.kind === "key"
        ? { principalId: caller.keyId, agentId: null, ended: false }
        : { principalId: caller.credentialId, agentId: caller.agentId, ended: caller.ended };
    const fingerprinted = [route.method, url, request.body ?? null];
    const facts = await prepare(request, services);
    const changed = db.transaction((tx) => {
      const work = async () => {
        const answer = await change(request, tx, services, facts);
        if (caller.kind === "key") {
          const { environmentId, keyId } = caller;
          await recordChange(tx, { environmentId, keyId, route, params, answer, requestId }, { newId, now });
        }
        return answer;
      };
      return key === null
        ? work()
        : once(tx, { ...principal, secret, key, request: fingerprinted, now, randomBytes }, work);
    });
    const result = await inTime(
      changed.finally(() => {
        // What a key changes may be an agent, a credential or a key. A failure may be one of the answer alone.
        if (caller.kind === "agent") return;
        services.agents.forget();
        services.keys.forget();
      }),
    );
    return finish === undefined ? result : finish(result, request, services);
  });
}

/** Context in which a route's response is made, besides the checked request. */
interface Answering {
  readonly secret: string;
  readonly url: string;
  readonly requestId: string;
  /** Waits for work until the request has taken as long as it may. */
  readonly inTime: <Result>(work: Promise<Result>) => Promise<Result>;
}

/** A parameter that nobody reads is a mistake: what it was to narrow would be answered whole. */
const NO_QUERY = z.strictObject({});

/** Cursors are ids of ours unless the route says otherwise; a text of any other form can only be a mistake. */
const ResourceId = z.uuid("is not the id of a resource in this list");

function register<R extends Route>(
  route: R,
  answer: (request: RouteRequest<R>, services: Services, answering: Answering) => Promise<RouteAnswer<R>>,
): RouteRegistration {
  // Made once: zod compiles a schema when it is first used.
  const pageQuery = z.object({ cursor: (route.cursor ?? ResourceId).optional() });
  return (app, services) => {
    app.route({
      method: route.method,
      url: route.path,
      handler: async (request, reply) => {
        const now = services.now();
        const inTime = deadline(services.answerTimeout);
        const credential = bearer(request);
        const checked = {
          caller: await inTime(authenticate(route, credential, services, now)),
          params: request.params,
          query: parse(route.query ?? NO_QUERY, request.query),
          body: route.body && parse(route.body, request.body === undefined ? {} : request.body),
          idempotencyKey: idempotencyKey(request),
          minimal: route.minimalResponse !== undefined && prefersMinimal(request),
          now,
          // Every member was checked against the schema that its type is inferred from.
        } as RouteRequest<R>;
        parse(pageQuery, request.query);
        const result = await answer(checked, services, {
          secret: credential.secret,
          url: request.url,
          requestId: request.id,
          inTime,
        });
        if (checked.minimal) reply.header("preference-applied", "return=minimal");
        return reply.status(route.status).send(route.list ? result : { data: result });
      },
    });
  };
}

/** A request that is not answered by then is given up. What it began may be done all the same. */
function deadline(limit: number): Answering["inTime"] {
  const started = performance.now();
  return (work) =>
    within(Math.max(0, limit - (performance.now() - started)), work, () => {
      throw new ApiError(
        "UNAVAILABLE",
        `The request was not answered within ${limit / 1_000} s. Nothing was recorded for certain; repeat it with the same Idempotency-Key.`,
      );
    });
}

async function authenticate(
  route: Route,
  credential: PresentedCredential,
  services: Services,
  now: Date,
): Promise<KeyCaller | AgentCaller> {
  if (route.auth !== "key") {
    const caller = await services.agents.authenticate(credential, {
      allowEnded: route.auth === "agent-or-expired",
    });
    services.lastUsed.note(caller, now);
    return caller;
  }
  const caller = await services.keys.authenticate(credential);
  services.lastUsed.note(caller, now);
  if (route.scope !== undefined) requireKeyScope(caller, route.scope);
  return caller;
}

function idempotencyKey(request: FastifyRequest): string | null {
  const header = request.headers["idempotency-key"];
  return header === undefined ? null : parse(IdempotencyKey, header, "Idempotency-Key");
}

/** Returns whether a request asks for less than the whole response (RFC 7240): one of several preferences, perhaps. */
function prefersMinimal({ headers: { prefer } }: FastifyRequest): boolean {
  return prefer !== undefined && /(?:^|,)\s*return\s*=\s*"?minimal"?\s*(?:[,;]|$)/i.test(String(prefer));
}

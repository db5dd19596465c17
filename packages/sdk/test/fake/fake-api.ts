import { randomUUID } from "node:crypto";
import { ERROR_STATUS, isAgentToken, type Route, routes } from "@licentric/contract";
import { type HttpHandler, HttpResponse, http } from "msw";
import { z } from "zod";
import { type Call, createAccount } from "./account.ts";
import { createAnswers } from "./answers.ts";
import { iso, Refusal, type Row, text } from "./store.ts";

// The fake of the API: what the contract promises, in memory, as msw handlers. It is held to the same suite as
// the real server (contract.test.ts), so that a test against the fake says something about the real one.

/** Makes the handlers of one account, which begins with the meter `api_calls` and the key given. */
export function fakeApi(managementKey: string): HttpHandler[] {
  const account = createAccount(managementKey);
  const { table, insert, where } = account;
  const firstAnswers = new Map<string, { body: string; answer: Response }>();

  function authenticate(route: Route, header: string | null): Row | undefined {
    const secret = header?.replace(/^Bearer /, "") ?? "";
    if (route.auth === "key") {
      const [key] = where("key", { secret });
      if (!key || key["revokedAt"] !== null)
        throw new Refusal("UNAUTHORIZED", "The key does not exist here.");
      const scopes = z.string().array().nullable().parse(key["scopes"]);
      if (scopes && route.scope && !scopes.includes(route.scope)) {
        throw new Refusal("FORBIDDEN", `The key lacks the scope "${route.scope}".`, { scope: route.scope });
      }
      return key;
    }
    const [credential] = isAgentToken(secret) ? where("credential", { secret }) : [];
    if (!credential) throw new Refusal("UNAUTHORIZED", "This token does not exist here.");
    if (route.auth === "agent-or-expired") return credential;
    const agent = table("agent").get(text(credential["agentId"]));
    const expired = Date.parse(text(credential["expiresAt"])) <= Date.now();
    if (expired || credential["revokedAt"] !== null || agent?.["status"] !== "active") {
      throw new Refusal("UNAUTHORIZED", "This token has ended.");
    }
    return credential;
  }

  function answerTo(
    route: Route,
    operation: string,
    answer: (call: Call) => unknown,
    request: Request,
    params: Record<string, string>,
    raw: string,
  ): Response {
    const headers = { "x-request-id": randomUUID(), "licentric-durable": "true", ...rateLimit() };
    try {
      const credential = authenticate(route, request.headers.get("authorization"));
      const idempotencyKey = request.headers.get("idempotency-key");
      const slot = `${request.headers.get("authorization")} ${idempotencyKey}`;
      const fingerprint = `${request.url} ${raw}`;
      const first = idempotencyKey === null ? undefined : firstAnswers.get(slot);
      if (first && first.body !== fingerprint) {
        throw new Refusal("IDEMPOTENCY_CONFLICT", "This Idempotency-Key was used for another request.");
      }
      if (first) return first.answer.clone();
      const query = new URL(request.url).searchParams;
      for (const [schema, value] of [
        [route.query, Object.fromEntries(query)],
        [route.body, raw === "" ? {} : JSON.parse(raw)],
      ] as const) {
        const parsed = schema?.safeParse(value);
        if (parsed === undefined || parsed.success) continue;
        const issues = parsed.error.issues.map(({ path, message, code }) => ({
          path: path.join("."),
          message,
          code,
        }));
        throw new Refusal("VALIDATION_ERROR", `${issues[0]?.path}: ${issues[0]?.message}`, { issues });
      }
      const body = raw === "" ? {} : JSON.parse(raw);
      const result = answer({ params, query, body, credential, idempotencyKey });
      if (route.auth === "key" && route.method !== "GET") {
        const answered = z.looseObject({ id: z.string() }).safeParse(result).data?.id;
        const resourceIds = [...new Set([...Object.values(params), ...(answered ? [answered] : [])])];
        const requestId = headers["x-request-id"];
        insert("auditEvent", {
          actor: "key",
          keyId: credential?.id,
          operation,
          resourceIds,
          requestId,
          createdAt: iso(),
        });
      }
      const json = route.list
        ? page(route, z.array(z.looseObject({})).parse(result), query)
        : { data: result };
      const response = HttpResponse.json(json, { status: route.status, headers });
      if (idempotencyKey !== null) firstAnswers.set(slot, { body: fingerprint, answer: response.clone() });
      return response;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { message, code, details } = error;
      const requestId = headers["x-request-id"];
      return HttpResponse.json(
        { error: message, code, ...(details && { details }), requestId },
        { status: ERROR_STATUS[code], headers },
      );
    }
  }

  /** A page of resources, newest first; of what is no resource, in the order in which it comes. */
  function page(route: Route, rows: readonly Record<string, unknown>[], query: URLSearchParams) {
    const ordered = route.cursor === undefined ? rows.toReversed() : rows;
    const cursorOf = ({ id, periodId, customerId, agentId, meterName }: Record<string, unknown>) =>
      route.cursor === undefined
        ? text(id)
        : [periodId, agentId, meterName, customerId ?? "own"].filter(Boolean).join("_");
    const start = ordered.findIndex((row) => cursorOf(row) === query.get("cursor")) + 1;
    const limit = Number(query.get("limit") ?? 25);
    const shown = ordered.slice(start, start + limit);
    const last = ordered.length > start + limit ? shown.at(-1) : undefined;
    return {
      data: shown.map(({ secret: _, ...row }) => row),
      pagination: { hasMore: last !== undefined, nextCursor: last === undefined ? null : cursorOf(last) },
    };
  }

  const methods = { GET: http.get, POST: http.post, PATCH: http.patch, DELETE: http.delete };
  const routeTable: Record<string, Record<string, Route>> = routes;
  const answerTable: Record<string, Record<string, (call: Call) => unknown>> = createAnswers(account);
  return Object.entries(routeTable).flatMap(([resource, calls]) =>
    Object.entries(calls).map(([name, route]) =>
      methods[route.method](`*${route.path}`, async ({ request, params }) => {
        const answer = answerTable[resource]?.[name];
        if (answer === undefined) throw new Error(`the fake does not know ${resource}.${name}`);
        return answerTo(
          route,
          `${resource}.${name}`,
          answer,
          request,
          namedParams(params),
          await request.text(),
        );
      }),
    ),
  );
}

const rateLimit = () => ({
  "x-ratelimit-limit": "6000",
  "x-ratelimit-remaining": "5999",
  "x-ratelimit-reset": String(Math.ceil(Date.now() / 1_000) + 60),
});

/** The parameters that the route names; msw adds what the wildcard before it matched. */
function namedParams(params: object): Record<string, string> {
  const { 0: _, ...named } = z.record(z.string(), z.string()).parse(params);
  return named;
}

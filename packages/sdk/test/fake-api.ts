import { randomUUID } from "node:crypto";
import {
  ERROR_STATUS,
  type ErrorCode,
  isAgentToken,
  NewUsageEvent,
  type Route,
  routes,
} from "@licentric/contract";
import { type HttpHandler, HttpResponse, http } from "msw";
import { z } from "zod";

// The fake of the API: what the contract promises, in memory, as msw handlers. It is held to the same suite as
// the real server (contract.test.ts), so that a test against the fake says something about the real one.

interface Row extends Record<string, unknown> {
  readonly id: string;
}

interface Call {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
  readonly credential: Row | undefined;
  readonly idempotencyKey: string | null;
}

class Refusal extends Error {
  readonly code: ErrorCode;
  readonly details: Record<string, unknown> | undefined;
  constructor(code: ErrorCode, message: string, details?: Record<string, unknown>) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

const iso = (offset = 0) => new Date(Date.now() + offset * 1_000).toISOString();
const stamps = () => ({ createdAt: iso(), updatedAt: iso() });
const text = (value: unknown): string => z.string().parse(value);
const number = (value: unknown, otherwise: number): number => z.number().default(otherwise).parse(value);
const token = (prefix: string) => prefix + randomUUID().replaceAll("-", "");

/** Makes the handlers of one account, which begins with the meter `api_calls` and the key given. */
export function fakeApi(managementKey: string): HttpHandler[] {
  const accountId = randomUUID();
  const tables = new Map<string, Map<string, Row>>();
  const table = (name: string): Map<string, Row> => {
    const known = tables.get(name) ?? new Map<string, Row>();
    tables.set(name, known);
    return known;
  };
  const insert = (name: string, row: Record<string, unknown>): Row => {
    const inserted = { id: randomUUID(), metadata: {}, ...row };
    table(name).set(inserted.id, inserted);
    return inserted;
  };
  const find = (name: string, id: unknown): Row => {
    const row = table(name).get(text(id));
    if (row === undefined) throw new Refusal("NOT_FOUND", `No ${name} has the id "${text(id)}" here.`);
    return row;
  };
  const change = (name: string, id: unknown, changes: Readonly<Record<string, unknown>>): Row => {
    const changed = { ...find(name, id), ...changes, updatedAt: iso() };
    table(name).set(changed.id, changed);
    return changed;
  };
  const remove = (name: string, id: unknown): Row => {
    const row = find(name, id);
    table(name).delete(row.id);
    return row;
  };
  const where = (name: string, match: Readonly<Record<string, unknown>>): Row[] =>
    [...table(name).values()].filter((row) =>
      Object.entries(match).every(([member, value]) => value === undefined || row[member] === value),
    );
  const publicRow = ({ secret: _, ...row }: Row): Row => row;

  const newMeter = (row: Readonly<Record<string, unknown>>) =>
    insert("meter", { displayName: row["name"], unit: "unit", price: null, ...stamps(), ...row });
  const openPeriod = () => {
    const now = new Date();
    return insert("period", {
      status: "open",
      startsAt: new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth())).toISOString(),
      endsAt: new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)).toISOString(),
      closedAt: null,
      createdAt: iso(),
    });
  };
  const currentPeriod = () => where("period", { status: "open" })[0] ?? openPeriod();
  const insertKey = (row: Readonly<Record<string, unknown>>, secret: string) =>
    insert("key", {
      name: null,
      scopes: null,
      ...row,
      mode: "test",
      hint: secret.slice(-4),
      lastUsedAt: null,
      revokedAt: null,
      createdAt: iso(),
      secret,
    });

  newMeter({ name: "api_calls", displayName: "API calls", unit: "call" });
  insertKey({ name: "first" }, managementKey);

  const issueToken = (agentId: unknown, scopes: unknown, expiresIn: unknown, name: unknown = null) => {
    const secret = token("AGT-");
    const credential = insert("credential", {
      agentId,
      name,
      scopes,
      hint: secret.slice(-4),
      status: "active",
      expiresAt: iso(number(expiresIn, 3_600)),
      lastUsedAt: null,
      revokedAt: null,
      createdAt: iso(),
      secret,
    });
    return {
      token: secret,
      credentialId: credential.id,
      agentId,
      scopes,
      expiresAt: credential["expiresAt"],
    };
  };

  const sum = (events: readonly Row[]) =>
    events.reduce((total, event) => total + number(event["quantity"], 0), 0);
  const totalsBy = (events: readonly Row[], dimensions: readonly string[]) => {
    const groups = groupBy(events, (event) => {
      const day = text(event["timestamp"]).slice(0, 10);
      const customerId = table("agent").get(text(event["agentId"]))?.["customerId"] ?? null;
      const by = { agent: { agentId: event["agentId"] }, day: { day }, customer: { customerId } };
      const chosen = Object.entries(by).flatMap(([name, member]) =>
        dimensions.includes(name) ? [member] : [],
      );
      return JSON.stringify(Object.assign({ meterName: event["meterName"] }, ...chosen));
    });
    return [...groups]
      .map(([group, members]) => ({
        ...JSON.parse(group),
        quantity: sum(members),
        eventCount: members.length,
      }))
      .toSorted((a, b) => (a.meterName < b.meterName ? -1 : 1));
  };
  const withTotals = (period: Row): Row => ({
    ...period,
    totals: period["totals"] ?? totalsBy(where("event", { periodId: period.id }), []),
  });

  const budgetState = (budget: Row): Row => {
    const { agentId, meterName } = budget;
    const used = sum(where("event", { agentId, meterName }));
    const limit = number(budget["limit"], 0);
    const warnAt = (limit * number(budget["warnAtPercent"], 80)) / 100;
    const status = used >= limit ? "exceeded" : used >= warnAt ? "warning" : "ok";
    return { ...budget, used, remaining: Math.max(0, limit - used), status, resetsAt: null };
  };
  const budgetFor = (agentId: unknown, meterName: unknown) =>
    where("budget", { agentId, meterName }).map(budgetState)[0];

  const record = (event: Readonly<Record<string, unknown>>): { event: Row; duplicate: boolean } => {
    find("agent", event["agentId"]);
    const { agentId, meterName, idempotencyKey = null } = event;
    if (where("meter", { name: meterName }).length === 0) {
      throw new Refusal("UNPROCESSABLE", `There is no meter "${text(meterName)}".`);
    }
    const [known] = idempotencyKey === null ? [] : where("event", { agentId, idempotencyKey });
    if (known) return { event: known, duplicate: true };
    const recorded = {
      quantity: 1,
      timestamp: iso(),
      ...event,
      idempotencyKey,
      periodId: currentPeriod().id,
    };
    return { event: insert("event", { ...recorded, createdAt: iso() }), duplicate: false };
  };
  const recorded = ({ event, duplicate }: ReturnType<typeof record>) => ({
    id: event.id,
    meterName: event["meterName"],
    quantity: event["quantity"],
    duplicate,
  });

  const verified = (call: Call) => {
    const credential = call.credential ?? {};
    const { agentId, scopes, expiresAt } = z
      .object({ agentId: z.string(), scopes: z.string().array(), expiresAt: z.string() })
      .parse(credential);
    const missing = z
      .string()
      .array()
      .default([])
      .parse(call.body["requiredScopes"])
      .find((scope) => !scopes.includes(scope));
    if (missing)
      throw new Refusal("INSUFFICIENT_SCOPE", `The token lacks the scope "${missing}".`, { scope: missing });
    const { meterName } = call.body;
    const budget = meterName === undefined ? undefined : budgetFor(agentId, meterName);
    if (
      budget &&
      call.body["enforceBudget"] &&
      number(call.body["quantity"], 1) > number(budget["remaining"], 0)
    ) {
      throw new Refusal("BUDGET_EXCEEDED", `The budget of ${text(meterName)} is used up.`, { budget });
    }
    return {
      agentId,
      answer: () => ({
        accountId,
        agentId,
        scopes,
        expiresAt,
        ...(meterName === undefined ? {} : { budget: budgetFor(agentId, meterName) }),
      }),
    };
  };

  const settle = (call: Call, status: string, quantity: unknown) => {
    const reservation = find("reservation", call.params["reservationId"]);
    if (reservation["status"] !== "held" && reservation["status"] !== status) {
      throw new Refusal("CONFLICT", `The reservation is ${text(reservation["status"])} already.`);
    }
    return change("reservation", reservation.id, { status, committedQuantity: quantity });
  };

  const invoiceOf = (periodId: string, customerId: unknown, metadata: unknown): Row => {
    const period = withTotals(find("period", periodId));
    if (period["status"] === "open")
      throw new Refusal("CONFLICT", "The period is still open. Close it first.");
    if (customerId !== undefined) find("customer", customerId);
    const [made] = where("invoice", { periodId, customerId: customerId ?? null }).filter(
      ({ status }) => status !== "void",
    );
    if (made) return made;
    const lines = totalsBy(where("event", { periodId }), ["customer"])
      .filter((total) => total.customerId === (customerId ?? null))
      .map(({ meterName, quantity }) => {
        const price = z
          .object({ unitPrice: z.string() })
          .nullable()
          .parse(where("meter", { name: meterName })[0]?.["price"]);
        const amountMinor = Math.round(quantity * Number(price?.unitPrice ?? 0) * 100);
        const amount = (amountMinor / 100).toFixed(2);
        return {
          meterName,
          description: meterName,
          quantity,
          unitPrice: price?.unitPrice ?? "0",
          amount,
          amountMinor,
        };
      });
    return insert("invoice", {
      stripeConfigured: false,
      periodId,
      customerId: customerId ?? null,
      status: "computed",
      currency: "usd",
      lines,
      total: lines.reduce((total, line) => total + Number(line.amount), 0).toFixed(2),
      totalUsage: Object.fromEntries(lines.map(({ meterName, quantity }) => [meterName, quantity])),
      metadata: metadata ?? {},
      createdAt: iso(),
    });
  };

  const outcomeOf = (event: unknown) => {
    const parsed = NewUsageEvent.safeParse(event);
    if (!parsed.success) {
      const issues = parsed.error.issues.map(({ path, message, code }) => ({
        path: path.join("."),
        message,
        code,
      }));
      return { status: "rejected", error: issues[0]?.message, code: "VALIDATION_ERROR", issues };
    }
    try {
      const { event: row, duplicate } = record(parsed.data);
      return { status: duplicate ? "duplicate" : "recorded", event: row };
    } catch (error) {
      if (error instanceof Refusal) return { status: "rejected", error: error.message, code: error.code };
      throw error;
    }
  };

  type Answers<Table> = { [R in keyof Table]: { [C in keyof Table[R]]: (call: Call) => unknown } };
  const answers: Answers<typeof routes> = {
    mcp: {
      authorize: ({ body }) => {
        const agent = find("agent", body["agentId"]);
        if (agent["status"] === "suspended") throw new Refusal("CONFLICT", "The agent is suspended.");
        return issueToken(agent.id, body["scopes"], body["expiresIn"], body["name"]);
      },
      verify: (call) => {
        const { agentId, answer } = verified(call);
        const { meterName, quantity = 1 } = call.body;
        if (meterName === undefined) return answer();
        const { idempotencyKey } = call;
        const event = recorded(record({ agentId, meterName, quantity, idempotencyKey }));
        return { ...answer(), event };
      },
      reserve: (call) => {
        const { agentId, answer } = verified(call);
        const { meterName, quantity = 1, expiresIn } = call.body;
        const expiresAt = iso(number(expiresIn, 300));
        const held = { agentId, meterName, quantity, status: "held", committedQuantity: null, expiresAt };
        return { ...answer(), reservation: insert("reservation", held) };
      },
      commit: (call) => {
        const { id, agentId, meterName, quantity } = find("reservation", call.params["reservationId"]);
        const used = call.body["quantity"] ?? quantity;
        if (number(used, 0) > number(quantity, 0)) {
          throw new Refusal("VALIDATION_ERROR", "quantity: is more than was held", {
            issues: [{ path: "quantity", message: "is more than was held" }],
          });
        }
        const reservation = settle(call, "committed", used);
        return {
          reservation,
          event: recorded(record({ agentId, meterName, quantity: used, idempotencyKey: id })),
        };
      },
      release: (call) => ({ reservation: settle(call, "released", null) }),
    },
    agents: {
      create: ({ body }) => {
        if (body["customerId"]) find("customer", body["customerId"]);
        return insert("agent", { customerId: null, ...body, status: "active", ...stamps() });
      },
      list: ({ query }) =>
        where("agent", {
          status: query.get("status") ?? undefined,
          customerId: query.get("customerId") ?? undefined,
        }),
      get: ({ params }) => find("agent", params["agentId"]),
      update: ({ params, body }) => change("agent", params["agentId"], body),
      delete: ({ params }) => remove("agent", params["agentId"]),
    },
    credentials: {
      list: ({ params }) => where("credential", { agentId: find("agent", params["agentId"]).id }),
      revoke: ({ params }) =>
        publicRow(change("credential", params["credentialId"], { status: "revoked", revokedAt: iso() })),
      rotate: ({ params, body }) => {
        const old = change("credential", params["credentialId"], {
          expiresAt: iso(number(body["overlap"], 0)),
        });
        return issueToken(old["agentId"], old["scopes"], body["expiresIn"], old["name"]);
      },
    },
    meters: {
      create: ({ body }) => {
        if (where("meter", { name: body["name"] }).length > 0) {
          throw new Refusal("CONFLICT", `There is a meter "${text(body["name"])}" already.`);
        }
        const meter = newMeter(body);
        const { price, id: meterId } = meter;
        if (price) insert("price", { meterId, price, effectiveFrom: iso(), createdAt: iso() });
        return meter;
      },
      list: ({ query }) => where("meter", { name: query.get("name") ?? undefined }),
      get: ({ params }) => find("meter", params["meterId"]),
      update: ({ params, body }) => change("meter", params["meterId"], body),
      setPrice: ({ params, body }) => {
        const { price, effectiveFrom = iso() } = body;
        const { id: meterId } = change("meter", params["meterId"], { price });
        return insert("price", { meterId, price, effectiveFrom, createdAt: iso() });
      },
      listPrices: ({ params }) => where("price", { meterId: find("meter", params["meterId"]).id }),
    },
    budgets: {
      create: ({ body }) => {
        const { agentId, meterName, window = "period" } = body;
        find("agent", agentId);
        if (where("meter", { name: meterName }).length === 0)
          throw new Refusal("NOT_FOUND", "There is no such meter.");
        if (where("budget", { agentId, meterName, window }).length > 0)
          throw new Refusal("CONFLICT", "There is one.");
        return budgetState(insert("budget", { warnAtPercent: 80, ...body, window, ...stamps() }));
      },
      list: ({ query }) =>
        where("budget", {
          agentId: query.get("agentId") ?? undefined,
          meterName: query.get("meterName") ?? undefined,
        }).map(budgetState),
      get: ({ params }) => budgetState(find("budget", params["budgetId"])),
      update: ({ params, body }) => budgetState(change("budget", params["budgetId"], body)),
      delete: ({ params }) => budgetState(remove("budget", params["budgetId"])),
    },
    usage: {
      recordBatch: ({ body }) => ({ results: z.array(z.unknown()).parse(body["events"]).map(outcomeOf) }),
      listEvents: ({ query }) =>
        where(
          "event",
          Object.fromEntries(
            ["agentId", "meterName", "periodId"].map((name) => [name, query.get(name) ?? undefined]),
          ),
        ),
      totals: ({ query }) => {
        const match = {
          periodId: query.get("periodId") ?? currentPeriod().id,
          agentId: query.get("agentId") ?? undefined,
          meterName: query.get("meterName") ?? undefined,
        };
        return totalsBy(where("event", match), query.get("groupBy")?.split(",") ?? []);
      },
    },
    billing: {
      getCurrentPeriod: () => withTotals(currentPeriod()),
      getPeriod: ({ params }) => withTotals(find("period", params["periodId"])),
      listPeriods: ({ query }) => {
        currentPeriod();
        return where("period", { status: query.get("status") ?? undefined }).map(withTotals);
      },
      closePeriod: ({ params }) => {
        const period = withTotals(find("period", params["periodId"]));
        if (period["status"] === "closed") return period;
        return change("period", period["id"], {
          status: "closed",
          closedAt: iso(),
          totals: period["totals"],
        });
      },
      createInvoice: ({ params, body }) =>
        invoiceOf(text(params["periodId"]), body["customerId"], body["metadata"]),
      getInvoice: ({ params }) => find("invoice", params["invoiceId"]),
      listInvoices: ({ query }) => where("invoice", { periodId: query.get("periodId") ?? undefined }),
      voidInvoice: ({ params }) => change("invoice", params["invoiceId"], { status: "void" }),
      createCreditNote: ({ params, body }) => {
        const { id: invoiceId, currency } = find("invoice", params["invoiceId"]);
        const amountMinor = Math.round(Number(body["amount"]) * 100);
        return insert("creditNote", {
          invoiceId,
          currency,
          amountMinor,
          status: "issued",
          settlement: null,
          reason: null,
          memo: null,
          stripeCreditNoteId: null,
          ...body,
          createdAt: iso(),
        });
      },
      listCreditNotes: ({ params }) => where("creditNote", { invoiceId: params["invoiceId"] }),
    },
    customers: {
      create: ({ body }) => insert("customer", { email: null, stripeCustomerId: null, ...body, ...stamps() }),
      list: () => where("customer", {}),
      get: ({ params }) => find("customer", params["customerId"]),
      update: ({ params, body }) => change("customer", params["customerId"], body),
    },
    keys: {
      create: ({ body }) => {
        const secret = token("lk_test_");
        return { ...publicRow(insertKey(body, secret)), key: secret };
      },
      list: () => where("key", {}),
      revoke: ({ params }) => publicRow(change("key", params["keyId"], { revokedAt: iso() })),
    },
    auditEvents: {
      list: ({ query }) =>
        where("auditEvent", { operation: query.get("operation") ?? undefined }).filter((event) => {
          const resourceId = query.get("resourceId");
          return resourceId === null || z.string().array().parse(event["resourceIds"]).includes(resourceId);
        }),
    },
    webhooks: {
      create: ({ body }) => {
        const secret = `whsec_${Buffer.from(randomUUID()).toString("base64")}`;
        const events = [
          "budget.warning",
          "budget.exceeded",
          "period.closed",
          "invoice.created",
          "invoice.paid",
        ];
        return { ...insert("webhook", { events, ...body, enabled: true, ...stamps() }), secret };
      },
      list: () => where("webhook", {}),
      get: ({ params }) => find("webhook", params["webhookId"]),
      update: ({ params, body }) => change("webhook", params["webhookId"], body),
      delete: ({ params }) => remove("webhook", params["webhookId"]),
    },
  };

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
    const headers = { "x-request-id": randomUUID(), "licentric-durable": "true" };
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
        insert("auditEvent", { keyId: credential?.id, operation, resourceIds, requestId, createdAt: iso() });
      }
      const json = route.list
        ? page(z.array(z.looseObject({ id: z.string() })).parse(result), query)
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

  function page(rows: readonly Row[], query: URLSearchParams) {
    const newestFirst = rows.toReversed();
    const start = newestFirst.findIndex(({ id }) => id === query.get("cursor")) + 1;
    const limit = Number(query.get("limit") ?? 25);
    const data = newestFirst.slice(start, start + limit).map(publicRow);
    const hasMore = newestFirst.length > start + limit;
    return { data, pagination: { hasMore, nextCursor: hasMore ? (data.at(-1)?.id ?? null) : null } };
  }

  const methods = { GET: http.get, POST: http.post, PATCH: http.patch, DELETE: http.delete };
  const routeTable: Record<string, Record<string, Route>> = routes;
  const answerTable: Record<string, Record<string, (call: Call) => unknown>> = answers;
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

/** What `Map.groupBy` does, which Node 20 has not. */
function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

/** The parameters that the route names; msw adds what the wildcard before it matched. */
function namedParams(params: object): Record<string, string> {
  const { 0: _, ...named } = z.record(z.string(), z.string()).parse(params);
  return named;
}

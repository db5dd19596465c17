import { randomUUID } from "node:crypto";
import { NewUsageEvent } from "@licentric/contract";
import { z } from "zod";
import { createStore, groupBy, iso, number, Refusal, type Row, stamps, text, token } from "./store.ts";

/** A request that was authenticated and read. */
export interface Call {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
  readonly credential: Row | undefined;
  readonly idempotencyKey: string | null;
}

/** The rules of one account: what the answers have in common. */
export type FakeAccount = ReturnType<typeof createAccount>;

/** An account that begins with the meter `api_calls` and the key given. */
export function createAccount(managementKey: string) {
  const accountId = randomUUID();
  const store = createStore();
  const { table, insert, find, change, where } = store;

  const newMeter = (row: Readonly<Record<string, unknown>>) =>
    insert("meter", {
      displayName: row["name"],
      unit: "unit",
      price: null,
      maxQuantityPerCall: 1_000_000,
      ...stamps(),
      ...row,
    });
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
      expiresAt: null,
      createdAt: iso(),
      secret,
    });

  insert("account", {
    name: "Acme",
    email: null,
    address: null,
    taxId: null,
    currency: "usd",
    timeZone: "UTC",
    stripeCustomerId: null,
    stripeStatus: "none",
    ...stamps(),
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
    const { agentId, customerId, meterName } = budget;
    const agents = agentId === null ? where("agent", { customerId }).map(({ id }) => id) : [agentId];
    const used = sum(agents.flatMap((id) => where("event", { agentId: id, meterName })));
    const limit = number(budget["limit"], 0);
    const warnAt = (limit * number(budget["warnAtPercent"], 80)) / 100;
    const status = used >= limit ? "exceeded" : used >= warnAt ? "warning" : "ok";
    return { ...budget, used, remaining: Math.max(0, limit - used), status, resetsAt: null };
  };
  /** The agent's own, and those of its customer. */
  const budgetsFor = (agentId: unknown) => {
    const customerId = table("agent").get(text(agentId))?.["customerId"] ?? null;
    const shared = customerId === null ? [] : where("budget", { customerId });
    return [...where("budget", { agentId }), ...shared].map(budgetState);
  };
  /** The one with the least left. */
  const budgetFor = (agentId: unknown, meterName: unknown) =>
    budgetsFor(agentId)
      .filter((budget) => budget["meterName"] === meterName)
      .toSorted((left, right) => number(left["remaining"], 0) - number(right["remaining"], 0))[0];

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
    const quantity = number(call.body["quantity"], 1);
    const most = number(where("meter", { name: meterName })[0]?.["maxQuantityPerCall"], quantity);
    if (meterName !== undefined && quantity > most) {
      const message = `${quantity} is more than the ${most} that one call may use.`;
      throw new Refusal("UNPROCESSABLE", message, {
        issues: [{ path: "quantity", message, code: "too_big" }],
      });
    }
    const budget = meterName === undefined ? undefined : budgetFor(agentId, meterName);
    if (
      budget &&
      (call.body["enforceBudget"] || budget["enforced"]) &&
      quantity > number(budget["remaining"], 0)
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

  const unitPriceOf = (meterName: string): string =>
    z
      .object({ unitPrice: z.string() })
      .nullable()
      .parse(where("meter", { name: meterName })[0]?.["price"])?.unitPrice ?? "0";
  const linesOf = (periodId: string, customerId: unknown) =>
    totalsBy(where("event", { periodId }), ["customer"])
      .filter((total) => total.customerId === customerId)
      .map(({ meterName, quantity }) => {
        const unitPrice = unitPriceOf(meterName);
        const amountMinor = Math.round(quantity * Number(unitPrice) * 100);
        const amount = (amountMinor / 100).toFixed(2);
        return { meterName, description: meterName, quantity, unitPrice, amount, amountMinor };
      });
  const totalOf = (lines: readonly { amount: string }[]) =>
    lines.reduce((total, line) => total + Number(line.amount), 0).toFixed(2);

  const invoiceOf = (periodId: string, customerId: unknown, metadata: unknown): Row => {
    const period = withTotals(find("period", periodId));
    if (period["status"] === "open")
      throw new Refusal("CONFLICT", "The period is still open. Close it first.");
    if (customerId !== undefined) find("customer", customerId);
    const [made] = where("invoice", { periodId, customerId: customerId ?? null }).filter(
      ({ status }) => status !== "void",
    );
    if (made) return made;
    const lines = linesOf(periodId, customerId ?? null);
    return insert("invoice", {
      stripeConfigured: false,
      periodId,
      customerId: customerId ?? null,
      status: "computed",
      currency: "usd",
      lines,
      total: totalOf(lines),
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
      if (duplicate) return { status: "duplicate", event: row };
      const budget = budgetFor(row["agentId"], row["meterName"]);
      const isOver = budget?.["enforced"] === true && number(budget["used"], 0) > number(budget["limit"], 0);
      return { status: "recorded", event: row, ...(isOver && { overBudget: true }) };
    } catch (error) {
      if (error instanceof Refusal) return { status: "rejected", error: error.message, code: error.code };
      throw error;
    }
  };

  return {
    ...store,
    newMeter,
    currentPeriod,
    insertKey,
    issueToken,
    totalsBy,
    withTotals,
    budgetState,
    budgetsFor,
    record,
    recorded,
    verified,
    settle,
    unitPriceOf,
    linesOf,
    totalOf,
    invoiceOf,
    outcomeOf,
  };
}

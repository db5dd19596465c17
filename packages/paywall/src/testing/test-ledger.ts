import { randomUUID } from "node:crypto";
import type { AgentPrice, BudgetState } from "@licentric/sdk";
import type {
  Committed,
  Gateway,
  GatewayResponse,
  MeterRequest,
  Recorded,
  Released,
  Reserved,
  Verified,
} from "../billing/gateway.ts";
import { type RefusalCode, type RefusalDetails, refuse } from "../refusal/refusal.ts";

/** Usage that a test ledger recorded. */
export interface RecordedUsage {
  readonly agentId: string;
  readonly meterName: string;
  readonly quantity: number;
  readonly idempotencyKey: string;
}

/** An agent of a test ledger. */
export interface TestAgentOptions {
  /** Scopes of its credential; `["mcp:invoke"]` by default. */
  readonly scopes?: readonly string[];
  /** Units that it may use, by meter; unlimited by default. */
  readonly budgets?: Readonly<Record<string, number>>;
  /** Expiry of its credential; in an hour by default. */
  readonly expiresAt?: Date;
  readonly accountId?: string;
}

interface TestAgent {
  readonly agentId: string;
  readonly accountId: string;
  readonly scopes: readonly string[];
  readonly budgets: Readonly<Record<string, number>>;
  readonly expiresAt: Date;
}

interface TestReservation {
  readonly token: string;
  readonly agentId: string;
  readonly meterName: string;
  readonly quantity: number;
  status: "held" | "lapsed" | "committed" | "released";
  committedQuantity?: number;
}

/** The API in memory: it verifies, counts and reserves as the real one does. */
export interface TestLedger {
  readonly gateway: Gateway;
  /** Everything recorded, oldest first. */
  readonly usage: readonly RecordedUsage[];
  /** Requests that reached it. */
  readonly requests: readonly string[];
  /** Units that are reserved at present. */
  reserved(): number;
  /** Lets every reservation lapse. */
  lapse(): void;
  authorize(agentId: string, options?: TestAgentOptions): string;
  revoke(token: string): void;
  /** Every request is refused like this until it is called with nothing. */
  refuseWith(code: RefusalCode | undefined, details?: RefusalDetails): void;
}

/**
 * Makes an empty ledger.
 *
 * @param prices - the prices that every agent pays
 */
export function createTestLedger(prices: readonly AgentPrice[] = []): TestLedger {
  const agents = new Map<string, TestAgent>();
  const reservations = new Map<string, TestReservation>();
  const reservationIds = new Map<string, string>();
  const usage: RecordedUsage[] = [];
  const recordedAt = new WeakMap<RecordedUsage, number>();
  const requests: string[] = [];
  let refusing: { code: RefusalCode; details: RefusalDetails } | undefined;

  const refused = (code: RefusalCode, details: RefusalDetails = {}) => ({
    refusal: refuse(code, {}, details),
    unknown: false,
    cause: undefined,
  });

  const budgetOf = (agent: TestAgent, meterName: string): BudgetState | undefined => {
    const limit = agent.budgets[meterName];
    if (limit === undefined) return undefined;
    const mine = (entry: { agentId: string; meterName: string }) =>
      entry.agentId === agent.agentId && entry.meterName === meterName;
    const used = [
      ...usage.filter(mine),
      ...[...reservations.values()].filter(
        (reservation) => mine(reservation) && reservation.status === "held",
      ),
    ].reduce((sum, { quantity }) => sum + quantity, 0);
    const status = used >= limit ? "exceeded" : used >= limit * 0.8 ? "warning" : "ok";
    return { meterName, limit, used, remaining: Math.max(0, limit - used), status, resetsAt: null };
  };

  /**
   * The agent, or why it is refused: the checks that come before anything is recorded.
   *
   * @param key - where it was recorded under this before, no budget is asked
   */
  function check(token: string, request: MeterRequest, key?: string): TestAgent | ReturnType<typeof refused> {
    if (refusing !== undefined) return refused(refusing.code, refusing.details);
    const agent = agents.get(token);
    if (agent === undefined || agent.expiresAt.getTime() <= Date.now()) return refused("invalid_token");
    const missing = request.requiredScopes?.some((scope) => !agent.scopes.includes(scope));
    if (missing) return refused("insufficient_scope", { requiredScopes: request.requiredScopes });
    const { meterName, quantity = 1, enforceBudget } = request;
    const budget = meterName === undefined ? undefined : budgetOf(agent, meterName);
    const isKnown = key !== undefined && recordedUnder(agent.agentId, key) !== undefined;
    if (enforceBudget && !isKnown && budget !== undefined && budget.used + quantity > budget.limit)
      return refused("budget_exceeded", { budget });
    return agent;
  }

  const recordedUnder = (by: string, key: string) =>
    usage.find(({ agentId, idempotencyKey }) => agentId === by && idempotencyKey === key);

  function record(event: RecordedUsage): Recorded {
    const first = recordedUnder(event.agentId, event.idempotencyKey);
    if (first !== undefined) return { duplicate: true, age: Date.now() - (recordedAt.get(first) ?? 0) };
    usage.push(event);
    recordedAt.set(event, Date.now());
    return { duplicate: false };
  }

  const responseOf = <Value>(value: Value): GatewayResponse<Value> => ({ value, retried: false });

  const verified = (agent: TestAgent, meterName?: string): Verified => {
    const { accountId, agentId, scopes, expiresAt } = agent;
    const budget = meterName === undefined ? undefined : budgetOf(agent, meterName);
    return {
      accountId,
      agentId,
      scopes,
      expiresAt: expiresAt.toISOString(),
      ...(budget !== undefined && { budget }),
    };
  };

  const gateway: Gateway = {
    async verify(token, request, { idempotencyKey }) {
      requests.push("verify");
      const agent = check(token, request, idempotencyKey);
      if ("refusal" in agent) return agent;
      const { meterName, quantity = 1 } = request;
      if (meterName === undefined) return responseOf(verified(agent));
      const usage = { agentId: agent.agentId, meterName, quantity, idempotencyKey };
      const first = recordedUnder(agent.agentId, idempotencyKey);
      if (first !== undefined && (first.meterName !== meterName || first.quantity !== quantity))
        return refused("idempotency_conflict");
      const event = record(usage);
      // As of the API: the budget has this usage in it.
      return responseOf({ ...verified(agent, meterName), event });
    },
    async reserve(token, request, { idempotencyKey }): Promise<GatewayResponse<Reserved>> {
      requests.push("reserve");
      const agent = check(token, request);
      if ("refusal" in agent) return agent;
      const { meterName, quantity = 1 } = request;
      const repeated = reservationIds.get(`${agent.agentId} ${idempotencyKey}`);
      const known = repeated === undefined ? undefined : reservations.get(repeated);
      if (repeated !== undefined && known !== undefined) {
        const reservation = { id: repeated, status: known.status };
        return responseOf({ ...verified(agent, meterName), reservation });
      }
      const id = randomUUID();
      reservationIds.set(`${agent.agentId} ${idempotencyKey}`, id);
      reservations.set(id, { token, agentId: agent.agentId, meterName, quantity, status: "held" });
      return responseOf({ ...verified(agent, meterName), reservation: { id, status: "held" } });
    },
    async commit(token, id, quantity): Promise<GatewayResponse<Committed>> {
      requests.push("commit");
      if (refusing !== undefined) return refused(refusing.code, refusing.details);
      const reservation = reservations.get(id);
      if (
        reservation?.token !== token ||
        reservation.status === "released" ||
        reservation.status === "lapsed" ||
        (reservation.committedQuantity ?? quantity) !== quantity
      )
        return responseOf({ lapsed: true });
      reservation.status = "committed";
      reservation.committedQuantity = quantity;
      const { agentId, meterName } = reservation;
      return responseOf({
        lapsed: false,
        event: record({ agentId, meterName, quantity, idempotencyKey: id }),
      });
    },
    async release(token, id): Promise<GatewayResponse<Released>> {
      requests.push("release");
      if (refusing !== undefined) return refused(refusing.code, refusing.details);
      const reservation = reservations.get(id);
      // Any good credential of the agent settles its reservations, and so does the one that made it.
      const isOwn = reservation?.token === token || agents.get(token)?.agentId === reservation?.agentId;
      if (reservation === undefined || !isOwn) return responseOf({ committed: false });
      if (reservation.status !== "committed") reservation.status = "released";
      return responseOf({ committed: reservation.status === "committed" });
    },
    async listPrices(token) {
      requests.push("listPrices");
      const agent = check(token, {});
      return "refusal" in agent ? agent : responseOf(prices);
    },
    async record({ events }) {
      requests.push("record");
      if (refusing !== undefined) throw new Error(refusing.code);
      return events().map((event) => ({ status: record(event).duplicate ? "duplicate" : "recorded" }));
    },
    close: async () => undefined,
  };

  return {
    gateway,
    usage,
    requests,
    reserved: () =>
      [...reservations.values()]
        .filter(({ status }) => status === "held")
        .reduce((sum, { quantity }) => sum + quantity, 0),
    lapse() {
      for (const reservation of reservations.values())
        if (reservation.status === "held") reservation.status = "lapsed";
    },
    authorize(agentId, { scopes = ["mcp:invoke"], budgets = {}, expiresAt, accountId = "acc_test" } = {}) {
      const token = `AGT-${randomUUID()}`;
      const inAnHour = new Date(Date.now() + 3_600_000);
      agents.set(token, { agentId, accountId, scopes, budgets, expiresAt: expiresAt ?? inAnHour });
      return token;
    },
    revoke: (token) => void agents.delete(token),
    refuseWith(code, details = {}) {
      refusing = code === undefined ? undefined : { code, details };
    },
  };
}

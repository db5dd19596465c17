import { expect } from "vitest";
import { getEnvironmentId } from "../../src/accounts/accounts.ts";
import { checkTotals } from "../../src/metering/check-totals.ts";
import type { DatabaseLocation } from "../../src/store/open-database.ts";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./api.ts";
import type { TestDatabase } from "./databases.ts";
import type { Load, LoadTarget } from "./load.ts";

/** A database that is there already, and stays. */
function existing(location: DatabaseLocation): TestDatabase {
  const name = "databaseUrl" in location ? "PostgreSQL" : "embedded";
  return { name, create: async () => ({ location, remove: async () => {} }) };
}

/** Makes an account with two agents; no server is left running. */
export async function createLoadTarget(location: DatabaseLocation): Promise<LoadTarget> {
  const api = await startTestApi(existing(location));
  try {
    const account = await api.createAccount();
    const { key } = account;
    const post = async (path: string, body: object) =>
      (await api.call("POST", `/api/v1${path}`, { token: key, body })).body.data;
    const meters = await api.call("GET", "/api/v1/meters?name=api_calls", { token: key });
    const price = { model: "per_unit", unitPrice: "0.01" };
    await post(`/meters/${meters.body.data[0].id}/prices`, { price });
    const { id: customerId } = await post("/customers", { name: "Payer", email: "payer@acme.example" });
    const expiresIn = 86_400;
    const paying = await createAuthorizedAgent(api, key, { expiresIn });
    await api.call("PATCH", `/api/v1/agents/${paying.agentId}`, { token: key, body: { customerId } });
    const budgeted = await createAuthorizedAgent(api, key, { expiresIn });
    await post("/budgets", { agentId: budgeted.agentId, meterName: "api_calls", limit: 1_000_000_000 });
    const environmentId = await getEnvironmentId(api.db, account.id, "test");
    return { environmentId, key, customerId, agents: [paying, budgeted] };
  } finally {
    await api.close();
  }
}

/**
 * Holds what the database has against what was acknowledged: the same events, each once, in one period; the same
 * totals; closed periods as their close answered them; and then invoices that bill exactly that.
 */
export async function expectAcknowledgedRecordedAndBilled(
  location: DatabaseLocation,
  target: LoadTarget,
  load: Load,
): Promise<void> {
  const api = await startTestApi(existing(location));
  try {
    const stored = await api.db.query<{ id: string; quantity: number; period_id: string }>(
      "SELECT id, quantity, period_id FROM metered_events WHERE environment_id = $1 ORDER BY id",
      [target.environmentId],
    );
    const acknowledged = [...load.events.values()].toSorted((left, right) => (left.id < right.id ? -1 : 1));
    expect(stored.map(({ id, quantity }) => ({ id, quantity }))).toEqual(acknowledged);
    expect(await checkTotals(api.db)).toEqual([]);

    const sent = sum(acknowledged.map(({ quantity }) => quantity));
    const periods = await closeAll(api, target);
    expect(sum(periods.map(({ totals }) => sum(totals.map(({ quantity }) => quantity))))).toBe(sent);
    const byId = new Map(periods.map((period) => [period.id, period]));
    for (const { period_id: periodId } of stored) expect(byId.has(periodId)).toBe(true);
    for (const { id, totals } of load.closed) expect(byId.get(id)?.totals).toEqual(totals);

    let billed = 0;
    let cents = 0;
    for (const { id } of periods) {
      for (const body of [{}, { customerId: target.customerId }]) {
        const invoice = await api.call("POST", `/api/v1/billing/periods/${id}/invoice`, {
          token: target.key,
          body,
        });
        expect(invoice.status).toBe(201);
        billed += invoice.body.data.totalUsage["api_calls"] ?? 0;
        cents += sum(invoice.body.data.lines.map(({ amountMinor }: { amountMinor: number }) => amountMinor));
      }
    }
    // Each unit costs a cent.
    expect({ billed, cents }).toEqual({ billed: sent, cents: sent });
  } finally {
    await api.close();
  }
}

interface Period {
  readonly id: string;
  readonly totals: readonly { readonly quantity: number }[];
}

async function closeAll(api: TestApi, { key }: LoadTarget): Promise<Period[]> {
  const get = (path: string) => api.call("GET", `/api/v1/billing/periods${path}`, { token: key });
  const { body } = await get("/current");
  await api.call("POST", `/api/v1/billing/periods/${body.data.id}/close`, { token: key });
  const periods: Period[] = [];
  for (let cursor = ""; ; ) {
    const page = (await get(`?status=closed&limit=100${cursor}`)).body;
    periods.push(...page.data);
    if (!page.pagination.hasMore) return periods;
    cursor = `&cursor=${page.pagination.nextCursor}`;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { ApiError } from "../src/http/api-error.ts";
import {
  type BudgetedEvent,
  type BudgetedOutcome,
  createBudgetedRecorder,
} from "../src/metering/budgeted-recorder.ts";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

const NOW = new Date("2026-06-10T12:00:00.000Z");
const YESTERDAY = new Date("2026-06-09T12:00:00.000Z");
const METERS = ["api_calls", "pages"];
const AGENTS = 3;
/** The first two agents belong to one customer, which has budgets as the agents have, by the number behind theirs. */
const CUSTOMER = AGENTS;
const BELONGING = 2;

const budget = fc.record({
  owner: fc.nat(CUSTOMER),
  meterName: fc.constantFrom(...METERS),
  limit: fc.integer({ min: 0, max: 60 }),
  window: fc.constantFrom("day", "period", "total"),
  warnAtPercent: fc.constantFrom(30, 80, 100),
  enforced: fc.boolean(),
});
const moneyBudget = fc.record({
  owner: fc.nat(CUSTOMER),
  meterName: fc.constantFrom(undefined, ...METERS),
  cents: fc.integer({ min: 0, max: 400 }),
  window: fc.constantFrom("day", "period", "total"),
  warnAtPercent: fc.constantFrom(30, 80, 100),
  enforced: fc.boolean(),
});
const TIERS = {
  model: "graduated",
  tiers: [
    { upTo: 5, unitPrice: "0" },
    { upTo: 30, unitPrice: "0.10" },
    { upTo: null, unitPrice: "0.033" },
  ],
};
const PACKAGES = { model: "package", packageSize: 5, packagePrice: "0.40" };
const anyCall = fc.record({
  agent: fc.nat(AGENTS - 1),
  meterName: fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom(...METERS) },
    { weight: 1, arbitrary: fc.constant("none") },
  ),
  quantity: fc.integer({ min: 1, max: 12 }),
  mustFit: fc.constantFrom("all", "enforced", "none"),
  byAgent: fc.boolean(),
  key: fc.option(fc.nat(7)),
});
/** Most calls with one key are the same call, and some are not. */
const call = fc
  .tuple(anyCall, fc.nat(4))
  .map(([made, misused]) =>
    made.key === null || misused === 0
      ? made
      : { ...made, agent: 0, meterName: METERS[made.key % METERS.length] ?? "", quantity: made.key + 1 },
  );
const scene = fc.record({
  budgets: fc.uniqueArray(budget, {
    minLength: 3,
    maxLength: 7,
    selector: ({ owner, meterName, window }) => `${owner} ${meterName} ${window}`,
  }),
  money: fc.uniqueArray(moneyBudget, {
    minLength: 2,
    maxLength: 4,
    selector: ({ owner, meterName, window }) => `${owner} ${meterName} ${window}`,
  }),
  held: fc.array(
    fc.record({
      agent: fc.nat(AGENTS - 1),
      meterName: fc.constantFrom(...METERS),
      quantity: fc.integer({ min: 1, max: 9 }),
      isLapsed: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
  before: fc.array(call, { minLength: 3, maxLength: 6 }),
  reported: fc.array(call, { maxLength: 4 }),
  live: fc.array(call, { minLength: 20, maxLength: 30 }),
});
type Scene = typeof scene extends fc.Arbitrary<infer Value> ? Value : never;
type Call = Scene["live"][number];

const SEED = Number(process.env["LICENTRIC_FUZZ_SEED"] ?? 20_261_126);
const RUNS = 5;

describeOnEachDatabase("budgets on $name, of calls at the same time", (database) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(database);
  }, 60_000);
  afterEach(() => api.setTime(null));
  afterAll(() => api.close());

  /** Makes an account with the agents, budgets, holds and a webhook of a scene. */
  async function build({ budgets, money, held }: Scene) {
    api.setTime(NOW.toISOString());
    const { key } = await api.createAccount();
    const post = (path: string, body: object) => api.call("POST", `/api/v1${path}`, { token: key, body });
    const customerId: string = (await post("/customers", { name: "Acme" })).body.data.id;
    const agentIds: string[] = [];
    for (let count = 0; count < AGENTS; count += 1) {
      const { agentId } = await createAuthorizedAgent(api, key);
      if (count < BELONGING) {
        await api.call("PATCH", `/api/v1/agents/${agentId}`, { token: key, body: { customerId } });
      }
      agentIds.push(agentId);
    }
    await post("/meters", { name: "pages", maxQuantityPerCall: 10, price: PACKAGES });
    const meters = await api.call("GET", "/api/v1/meters?name=api_calls", { token: key });
    await post(`/meters/${meters.body.data[0].id}/prices`, { price: TIERS });
    const ownerOf = (owner: number) => (owner === CUSTOMER ? { customerId } : { agentId: agentIds[owner] });
    for (const { owner, ...made } of budgets) {
      expect((await post("/budgets", { ...ownerOf(owner), ...made })).status).toBe(201);
    }
    for (const { owner, cents, ...made } of money) {
      const amount = (cents / 100).toFixed(2);
      expect((await post("/budgets", { ...ownerOf(owner), amount, ...made })).status).toBe(201);
    }
    for (const { agent, meterName, quantity, isLapsed } of held) {
      await api.db.query(
        `INSERT INTO reservations
           (id, environment_id, credential_id, agent_id, meter_id, quantity, status, expires_at, created_at)
         SELECT $1, a.environment_id, c.id, a.id, m.id, $2::bigint, 'held', $3, $4 FROM agents a
         JOIN credentials c ON c.agent_id = a.id
         JOIN meters m ON m.environment_id = a.environment_id AND m.name = $5
         WHERE a.id = $6`,
        [
          randomUUID(),
          quantity,
          isLapsed ? YESTERDAY : new Date(NOW.getTime() + 60_000),
          YESTERDAY,
          meterName,
          agentIds[agent] ?? "",
        ],
      );
    }
    const [row] = await api.db.query<{ environment_id: string }>(
      `INSERT INTO webhooks (id, environment_id, url, events, enabled, secret_key_id, metadata, created_at, updated_at)
       SELECT $1, environment_id, 'https://webhooks.invalid/', '{budget.warning,budget.exceeded}', true, 'k', '{}',
         created_at, created_at FROM agents WHERE id = $2 RETURNING environment_id`,
      [randomUUID(), agentIds[0] ?? ""],
    );
    const environmentId = row?.environment_id ?? "";
    const toEvent = ({ agent, key: used, ...rest }: Call, occurredAt: Date | null): BudgetedEvent => ({
      ...rest,
      id: uuidv7(),
      environmentId,
      agentId: agentIds[agent] ?? "",
      idempotencyKey: used === null ? null : `key-${used}`,
      occurredAt,
      metadata: null,
      ...(occurredAt !== null && { mustFit: "none", byAgent: false }),
    });
    return { environmentId, agentIds, toEvent };
  }

  /** Runs a scene, and answers all that anyone is told of it. */
  async function play(drawn: Scene, atOnce: boolean) {
    const { environmentId, agentIds, toEvent } = await build(drawn);
    const batches: number[] = [];
    const record = createBudgetedRecorder({
      db: api.db,
      now: () => NOW,
      newId: () => uuidv7(),
      onBatch: (size) => batches.push(size),
    });
    const outcomes: unknown[] = [];
    const settle = async (event: BudgetedEvent) =>
      toldOf(await record(event).catch((error: unknown) => error), agentIds);
    for (const event of drawn.before.map((one) => toEvent(one, null))) outcomes.push(await settle(event));
    const events = [
      ...drawn.reported.map((one) => toEvent(one, YESTERDAY)),
      ...drawn.live.map((one) => toEvent(one, null)),
    ];
    batches.length = 0;
    if (atOnce) outcomes.push(...(await Promise.all(events.map(settle))));
    else for (const event of events) outcomes.push(await settle(event));
    expect(batches).toEqual(atOnce ? [events.length] : events.map(() => 1));
    return { outcomes, ...(await readState(environmentId, agentIds)) };
  }

  async function readState(environmentId: string, agentIds: readonly string[]) {
    const totals = await api.db.query<{ agent_id: string }>(
      `SELECT t.agent_id, m.name, t.day, t.quantity, t.event_count FROM usage_totals t JOIN meters m ON m.id = t.meter_id
       WHERE t.environment_id = $1`,
      [environmentId],
    );
    const deliveries = await api.db.query<{ body: string }>(
      "SELECT body FROM webhook_deliveries WHERE environment_id = $1",
      [environmentId],
    );
    const told = deliveries.map(({ body }) => {
      const { type, data } = JSON.parse(body);
      const owner = data.agentId === null ? CUSTOMER : agentIds.indexOf(data.agentId);
      return [type, owner, data.meterName, data.window, data.amounts?.limit].join(" ");
    });
    return {
      totals: totals
        .map(({ agent_id, ...total }) => JSON.stringify({ agent: agentIds.indexOf(agent_id), ...total }))
        .toSorted(),
      told: told.toSorted(),
    };
  }

  it("are decided together as they would be one after the other", async () => {
    let refused = 0;
    let refusedTogether = 0;
    let refusedMoney = 0;
    let duplicates = 0;
    await fc.assert(
      fc.asyncProperty(scene, async (drawn) => {
        const together = await play(drawn, true);
        expect(together).toEqual(await play(drawn, false));
        const told = together.outcomes.map((outcome) => JSON.stringify(outcome));
        refused += told.filter((text) => text.includes("BUDGET_EXCEEDED")).length;
        refusedTogether += told.filter((text) => text.includes("The customer's budget")).length;
        refusedMoney += told.filter((text) => /budget of [\d.]+ USD/.test(text)).length;
        duplicates += told.filter((text) => text.includes('"duplicate":true')).length;
      }),
      { seed: SEED, numRuns: RUNS, endOnFailure: true },
    );
    // Scenes in which everything fits would show nothing.
    expect(refused).toBeGreaterThan(RUNS);
    expect(refusedTogether).toBeGreaterThan(RUNS);
    expect(refusedMoney).toBeGreaterThan(RUNS);
    expect(duplicates).toBeGreaterThan(RUNS);
  }, 60_000);
});

/** An outcome without the ids that differ from run to run. */
function toldOf(outcome: BudgetedOutcome | unknown, agentIds: readonly string[]): unknown {
  if (outcome instanceof ApiError) {
    const { code, message, details } = outcome;
    return { code, message, details };
  }
  if (outcome instanceof Error) return { error: outcome.message };
  const { event, duplicate, day, budget, overBudget } = outcome as BudgetedOutcome;
  const { agentId, meterName, quantity, idempotencyKey, timestamp } = event;
  return {
    event: { agent: agentIds.indexOf(agentId), meterName, quantity, idempotencyKey, timestamp },
    ...{ duplicate, day, budget, overBudget },
  };
}

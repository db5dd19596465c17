import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ChargeOptions, createPaywall, type Paywall, type PaywallEvents } from "../src/index.ts";
import { refusalOf, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// A commit whose answer is lost may have been recorded: its agent's next call pays by that, and is not billed as well.

let api: StandIn;
let token: string;
let paywall: Paywall;
let metered: PaywallEvents["metered"][];
beforeEach(async () => {
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
  paywall = createPaywall({ baseUrl: api.url, token: () => token, timeout: 1_500 });
  metered = [];
  paywall.on("metered", (event) => metered.push(event));
});
afterEach(async () => {
  await paywall.close({ timeout: 200 });
  await api.close();
});

const MODES: ChargeOptions[] = [
  { meterName: "api_calls", charge: "reserve" },
  { meterName: "api_calls", charge: "success", enforceBudget: true },
  { meterName: "api_calls", charge: "success" },
];

/** A tool that uses what it is told to. */
function sell(charge: ChargeOptions, onRun: () => void = () => undefined) {
  return paywall.tool({ name: "t", ...charge }, async (_args: { used: number }, _context: object) => {
    onRun();
    return text("ran");
  });
}

const context = () => ({ signal: new AbortController().signal });
const total = () =>
  api.ledger.usage
    .filter(({ meterName }) => meterName === "api_calls")
    .reduce((sum, { quantity }) => sum + quantity, 0);

/** Up to 9 units, billed by what the call is told to use. */
const measuredBy = (charge: ChargeOptions): ChargeOptions => ({
  ...charge,
  quantity: 9,
  resultQuantity: (_result: unknown, args: unknown) => Number(Reflect.get(Object(args), "used")),
});

/** Makes a call whose handler runs and whose bill is lost on its way. */
async function lose(charge: ChargeOptions, fault: "drop-answer" | "drop-request", used = 1) {
  const refused = await sell(charge, () => {
    api.always = fault;
  })({ used }, context());
  api.always = undefined;
  expect(refusalOf(refused)).toMatchObject({ code: "billing_unavailable" });
}

/** Waits until the breaker lets requests through. */
async function opened() {
  await served({ meterName: "rows" });
}

/** Calls until the breaker lets it through. */
async function served(charge: ChargeOptions, used = 1) {
  const handler = sell(charge);
  await expect
    .poll(async () => refusalOf(await handler({ used }, context())), { timeout: 15_000, interval: 100 })
    .toBeUndefined();
}

describe.each(MODES)("charge $charge, enforceBudget $enforceBudget", { timeout: 30_000 }, (charge) => {
  it.each([
    ["drop-answer", 1],
    ["drop-request", 0],
  ] as const)("bills one result once after a lost commit: %s", async (fault, recorded) => {
    await lose(charge, fault);
    expect(total()).toBe(recorded);
    await served(charge);
    expect(total()).toBe(1);
    expect(metered).toHaveLength(1);
    await served(charge);
    expect(total()).toBe(2);
    expect(api.ledger.reserved()).toBe(0);
  });

  it("bills it once under another credential of the agent, and another agent by itself", async () => {
    await lose(charge, "drop-answer");
    const first = token;
    token = api.ledger.authorize("agt_2");
    await served(charge);
    expect(api.ledger.usage.map(({ agentId }) => agentId)).toEqual(["agt_1", "agt_2"]);
    token = api.ledger.authorize("agt_1");
    api.ledger.revoke(first);
    await served(charge);
    expect(total()).toBe(2);
    await served(charge);
    expect(total()).toBe(3);
  });

  it("serves a call out of a budget that was used up for nothing", async () => {
    token = api.ledger.authorize("agt_poor", { budgets: { api_calls: 1 } });
    const enforced = { ...charge, enforceBudget: true };
    await lose(enforced, "drop-answer");
    await served(enforced);
    expect(total()).toBe(1);
    const refused = await sell(enforced)({ used: 1 }, context());
    expect(refusalOf(refused)).toMatchObject({ code: "budget_exceeded" });
  });

  it("keeps what was recorded for the call after one that fails, or is lost as well", async () => {
    await lose(charge, "drop-answer");
    await served({ meterName: "rows" });
    const failing = sell(charge, () => {
      throw new Error("thrown");
    });
    await expect(failing({ used: 1 }, context())).rejects.toThrow("thrown");
    api.always = "drop-answer";
    expect(refusalOf(await sell(charge)({ used: 1 }, context()))).toMatchObject({
      code: "billing_unavailable",
    });
    api.always = undefined;
    await served(charge);
    expect(api.ledger.usage.filter(({ meterName }) => meterName === "api_calls")).toHaveLength(1);
  });

  it.each([
    [3, 5],
    [4, 4],
    [9, 9],
  ])("bills what is used beyond what was recorded: %d, then %d", async (before, used) => {
    const measured = measuredBy(charge);
    await lose(measured, "drop-answer", before);
    await served(measured, used);
    expect(total()).toBe(Math.max(before, used));
    expect(api.ledger.reserved()).toBe(0);
    await served(measured, used);
    expect(total()).toBe(Math.max(before, used) + used);
  });

  it.each([
    [5, 3],
    [9, 1],
  ])("keeps what is left of what was recorded: %d, then %d twice", async (before, used) => {
    const measured = measuredBy(charge);
    await lose(measured, "drop-answer", before);
    await served(measured, used);
    expect(total()).toBe(before);
    await served(measured, used);
    expect(total()).toBe(Math.max(before, 2 * used));
    expect(api.ledger.reserved()).toBe(0);
  });

  it("bills nothing of a commit that never arrived, whatever the next call comes to", async () => {
    const measured = measuredBy(charge);
    await lose(measured, "drop-request", 9);
    await opened();
    const failing = sell(measured, () => {
      throw new Error("thrown");
    });
    await expect(failing({ used: 9 }, context())).rejects.toThrow("thrown");
    expect([total(), api.ledger.reserved()]).toEqual([0, 0]);
    await served(measured, 1);
    expect([total(), api.ledger.reserved()]).toEqual([1, 0]);
  });

  it("serves nothing past a budget for commits that never arrived", async () => {
    token = api.ledger.authorize("agt_poor", { budgets: { api_calls: 3 } });
    const enforced = { ...charge, enforceBudget: true };
    let begun = 0;
    const losing = paywall.tool({ name: "t", ...enforced }, async (_args: object, _context: object) => {
      begun++;
      await expect.poll(() => begun).toBe(3);
      api.always = "drop-request";
      return text("ran");
    });
    await Promise.all([1, 2, 3].map(() => losing({}, context())));
    api.always = undefined;
    api.ledger.lapse();
    await opened();
    // Another process uses it up.
    const { gateway } = api.ledger;
    await gateway.verify(
      token,
      { meterName: "api_calls", quantity: 3 },
      { idempotencyKey: "other", deadline: 1 },
    );
    for (let calls = 0; calls < 3; calls++)
      expect(refusalOf(await sell(enforced)({ used: 1 }, context()))).toMatchObject({
        code: "budget_exceeded",
      });
    expect(total()).toBe(3);
  });
});

import { describe, expect, it } from "vitest";
import type { ChargeOptions } from "../pricing/charge-options.ts";
import type { RefusalCode } from "../refusal/refusal.ts";
import { askInput, createTestCharging, type TestChargingOptions } from "../testing/test-charging.ts";

const call = { meterName: "pages", quantity: 20 } as const;
const success = { ...call, charge: "success" } as const;
const reserve = { ...call, charge: "reserve" } as const;

/** A paywall that knows its agent, and whose API is gone. */
async function makeOutage(
  options: TestChargingOptions = { allowOffline: true },
  code: RefusalCode = "billing_unavailable",
) {
  const charging = createTestCharging(options);
  await charging.call({}, {});
  charging.ledger.refuseWith(code);
  return { ...charging, quantities: () => charging.journalled.map(({ quantity }) => quantity) };
}

describe("without the API, a known agent's call", () => {
  it.each<[string, ChargeOptions]>([
    ["call", call],
    ["call, in the background", call],
    ["success", success],
    ["reserve", reserve],
  ])("runs where its owner wants that, and its usage waits in the journal: %s", async (mode, options) => {
    const background = mode.endsWith("background");
    const { call: make, quantities, told } = await makeOutage({ allowOffline: true, background });
    expect(await make({}, options, () => quantities())).toMatchObject({
      result: [],
      receipt: { meterName: "pages", quantity: 20 },
    });
    expect(quantities()).toEqual([20]);
    expect(told("verified").at(-1)).toEqual({
      kind: "call",
      name: "report",
      accountId: "acc_test",
      agentId: "agt_1",
      source: "offline",
      budget: undefined,
    });
    expect(told("metered")).toMatchObject([{ agentId: "agt_1", quantity: 20, pending: true }]);
    expect(told("denied")).toEqual([]);
  });

  it.each<[string, ChargeOptions]>([
    ["is free", {}],
    ["costs nothing", { ...call, quantity: 0 }],
  ])("runs where it %s, and nothing is journalled", async (_, options) => {
    const { call: make, quantities } = await makeOutage();
    expect(await make({}, options)).toEqual({ result: "ran", receipt: undefined });
    expect(quantities()).toEqual([]);
  });

  it("is billed what it used", async () => {
    const { charge, quantities } = await makeOutage();
    const failed = new Error("failed");
    const fail = () => Promise.reject(failed);
    expect(await charge({}, success, fail)).toMatchObject({ settlement: { status: "void" } });
    expect(await charge({}, success, () => askInput)).toMatchObject({ settlement: { status: "void" } });
    const unused = { ...success, resultQuantity: () => 0 };
    expect(await charge({}, unused, () => "done")).toMatchObject({ settlement: { status: "settled" } });
    expect(quantities()).toEqual([]);
    await charge({}, success, ({ reportUsage }) => reportUsage(3));
    await charge({}, { ...success, resultQuantity: () => 4 }, () => "done");
    expect(quantities()).toEqual([3, 4]);
  });

  it.each<[string, TestChargingOptions, RefusalCode, ChargeOptions, object]>([
    ["does not want that", {}, "billing_unavailable", call, {}],
    [
      "enforces its budget",
      { allowOffline: true },
      "billing_unavailable",
      { ...call, enforceBudget: true },
      {},
    ],
    [
      "needs a scope of it",
      { allowOffline: true },
      "billing_unavailable",
      { ...call, scopes: ["reports"] },
      {},
    ],
    ["is asked with a key", { allowOffline: true }, "billing_unavailable", call, { key: "k" }],
    ["is not away but refuses", { allowOffline: true }, "rate_limited", call, {}],
  ])("is refused where its owner %s", async (_, options, code, charge, named) => {
    const { call: make, quantities, told } = await makeOutage(options, code);
    const refused = await make(named, charge, () => expect.unreachable());
    expect(refused).toMatchObject({ refusal: { code } });
    expect(quantities()).toEqual([]);
    expect(told("denied")).toMatchObject([{ refusal: { code }, agentId: "agt_1" }]);
  });

  it("runs where it has all of the scopes", async () => {
    const { call: make, quantities } = await makeOutage();
    await make({}, { ...call, scopes: ["mcp:invoke"] });
    expect(quantities()).toEqual([20]);
  });

  it("is refused where it lacks one of several scopes", async () => {
    const { call: make } = await makeOutage();
    const refused = await make({}, { ...call, scopes: ["mcp:invoke", "reports"] }, () =>
      expect.unreachable(),
    );
    expect(refused).toMatchObject({ refusal: { code: "billing_unavailable" } });
  });
});

it("without the API, an agent that is not known is refused", async () => {
  const { call: make, ledger, token, journalled } = createTestCharging({ allowOffline: true });
  ledger.refuseWith("billing_unavailable");
  for (const options of [{}, call, success, reserve])
    expect(await make({}, options, () => expect.unreachable())).toMatchObject({
      refusal: { code: "billing_unavailable" },
    });
  ledger.refuseWith(undefined);
  await make({}, {});
  ledger.refuseWith("invalid_token");
  await make({ token }, {});
  // Its token was refused since.
  ledger.refuseWith("billing_unavailable");
  expect(await make({}, call, () => expect.unreachable())).toMatchObject({
    refusal: { code: "billing_unavailable" },
  });
  expect(journalled).toEqual([]);
});

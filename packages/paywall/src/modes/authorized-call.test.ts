import { describe, expect, it } from "vitest";
import { createTestCharging } from "../testing/test-charging.ts";

const pages = { meterName: "pages", quantity: 20 } as const;

describe("listeners", () => {
  it("are told of a refusal before the run with the agent, where that is known", async () => {
    const { call, ledger, told } = createTestCharging();
    await call({ token: "AGT-00000000-unknown" }, pages, () => expect.unreachable());
    await call({}, pages);
    ledger.refuseWith("rate_limited");
    await call({}, pages, () => expect.unreachable());
    expect(told("denied")).toEqual([
      {
        kind: "call",
        name: "report",
        refusal: expect.objectContaining({ code: "invalid_token" }),
        agentId: undefined,
      },
      {
        kind: "call",
        name: "report",
        refusal: expect.objectContaining({ code: "rate_limited" }),
        agentId: "agt_1",
      },
    ]);
  });

  it.each(["success", "reserve"] as const)(
    "are told once of a bill that is refused after it, by %s",
    async (charge) => {
      const { call, ledger, told } = createTestCharging();
      await call({}, { ...pages, charge }, () => ledger.refuseWith("rate_limited"));
      expect(told("denied")).toMatchObject([{ refusal: { code: "rate_limited" }, agentId: "agt_1" }]);
    },
  );
});

describe("a call that costs nothing", () => {
  it.each([
    ["call", "settled"],
    ["success", "void"],
  ] as const)("is kept for its repetition where it fails by the charge %s: %s", async (charge, status) => {
    const { charge: chargeFor } = createTestCharging();
    const failing = await chargeFor({}, { charge }, () => Promise.reject(new Error("failed")));
    expect(failing).toMatchObject({ settlement: { status } });
    const done = await chargeFor({}, { charge }, ({ isBilled, coversCalls }) => [isBilled, coversCalls]);
    expect(done).toEqual({
      status: "ran",
      completion: { status: "returned", result: [false, false] },
      settlement: { status: "settled" },
    });
  });
});

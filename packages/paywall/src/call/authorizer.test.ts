import { describe, expect, it } from "vitest";
import { refuse } from "../refusal/refusal.ts";
import { createTestCharging } from "../testing/test-charging.ts";
import { isRefusal } from "./authorizer.ts";

const MODES = ["call", "success", "reserve"] as const;
const pages = (charge: (typeof MODES)[number]) => ({ meterName: "pages", charge, quantity: 20 });
const unreachable = () => expect.unreachable();

it("tells a refusal from what it refuses", () => {
  expect([isRefusal(refuse("rate_limited")), isRefusal({ agentId: "agt_1" })]).toEqual([true, false]);
});

describe.each(MODES)("a call that is charged by %s is refused without a request", (charge) => {
  it.each([
    ["where it has no token", { token: undefined }, "missing_token", "needs an agent credential"],
    ["where its token can be none", { token: "Bearer x" }, "invalid_token", "not valid"],
    ["where its key is none", { key: null }, "idempotency_conflict", "1 to 255 printable ASCII characters"],
    ["where its token can be none, with a key", { token: "x", key: "k" }, "invalid_token", "not valid"],
  ])("%s", async (_, sent, code, words) => {
    const { call, ledger, told } = createTestCharging();
    expect(await call(sent, pages(charge), unreachable)).toMatchObject({
      refusal: { code, message: expect.stringContaining(words) },
    });
    expect(ledger.requests).toEqual([]);
    expect(told("denied")).toMatchObject([{ kind: "call", name: "report", refusal: { code } }]);
  });

  it("where it was cancelled before", async () => {
    const { call, ledger } = createTestCharging();
    const signal = AbortSignal.abort(new Error("gone"));
    await expect(call({ signal }, pages(charge), unreachable)).rejects.toThrow("gone");
    expect(ledger.requests).toEqual([]);
  });

  it("where its price cannot be computed, and its owner hears why", async () => {
    const { call, ledger, told, billed } = createTestCharging({ links: { budget: "https://example.com" } });
    const quantity = () => {
      throw new Error("no such price");
    };
    expect(await call({}, { ...pages(charge), quantity }, unreachable)).toMatchObject({
      refusal: { code: "misconfigured" },
    });
    expect(await call({}, { ...pages(charge), quantity: () => 0.5 }, unreachable)).toMatchObject({
      refusal: { code: "misconfigured" },
    });
    expect(told("failed")).toMatchObject([
      { kind: "call", name: "report", reason: "meterName or quantity threw" },
      { kind: "call", name: "report", reason: expect.stringContaining("not a whole number") },
    ]);
    expect([ledger.requests, billed()]).toEqual([[], []]);
  });
});

describe.each(MODES)("a call that is charged by %s", (charge) => {
  it("may be priced by its caller", async () => {
    const { call, billed } = createTestCharging();
    const quantity = (_: unknown, { agentId }: { agentId: string }) => (agentId === "agt_1" ? 7 : 1);
    await call({}, { ...pages(charge), quantity });
    expect(billed()).toEqual([7]);
  });

  it("is refused by its caller's token where its price reads the caller", async () => {
    const { call, told, billed } = createTestCharging();
    const quantity = (_: unknown, { scopes }: { scopes: readonly string[] }) => scopes.length;
    const token = "AGT-00000000-unknown";
    expect(await call({ token }, { ...pages(charge), quantity }, unreachable)).toMatchObject({
      refusal: { code: "invalid_token" },
    });
    expect([told("failed"), billed()]).toEqual([[], []]);
  });

  it("is verified and costs nothing where its quantity is 0", async () => {
    const { call, ledger, billed, told } = createTestCharging();
    expect(await call({}, { ...pages(charge), quantity: 0 })).toEqual({ result: "ran", receipt: undefined });
    expect([ledger.requests, billed(), told("metered")]).toEqual([["verify"], [], []]);
    ledger.refuseWith("invalid_token");
    expect(await call({}, { ...pages(charge), quantity: 0 }, unreachable)).toMatchObject({
      refusal: { code: "invalid_token" },
    });
  });

  it("is refused where its scope is missing", async () => {
    const { call, ledger, told } = createTestCharging();
    expect(await call({}, { ...pages(charge), scopes: ["reports"] }, unreachable)).toMatchObject({
      refusal: { code: "insufficient_scope", requiredScopes: ["reports"] },
    });
    expect(told("denied")).toHaveLength(1);
    expect(ledger.reserved()).toBe(0);
  });
});

describe("what is asked before a call runs", () => {
  it.each([
    ["its bill", pages("call"), ["verify"], [20], 0],
    ["who calls", pages("success"), ["verify"], [], 0],
    ["a reservation", pages("reserve"), ["reserve"], [], 20],
    ["a reservation in its budget", { ...pages("success"), enforceBudget: true }, ["reserve"], [], 20],
    ["its bill in its budget", { ...pages("call"), enforceBudget: true }, ["verify"], [20], 0],
    ["who calls of what is free", {}, ["verify"], [], 0],
  ])("is %s: %j", async (_, options, requests, billedBefore, reserved) => {
    const { call, ledger, billed } = createTestCharging();
    await call({}, options, () => {
      expect([ledger.requests, billed(), ledger.reserved()]).toEqual([requests, billedBefore, reserved]);
    });
  });

  it.each(MODES)("a keyed call of an agent that is known is asked no further, by %s", async (charge) => {
    const { call, ledger } = createTestCharging();
    await call({}, {});
    await call({ key: "k" }, pages(charge));
    const settle = { call: ["verify"], success: ["verify", "verify"], reserve: ["reserve", "commit"] }[
      charge
    ];
    expect(ledger.requests).toEqual(["verify", ...settle]);
  });

  it.each([
    ["is learned by its bill", pages("call"), ["verify"]],
    ["is asked for where it is billed later", pages("reserve"), ["verify", "reserve", "commit"]],
    ["is asked for where nothing is billed", {}, ["verify", "verify"]],
  ])("an agent that is not known %s", async (_, options, requests) => {
    const { call, ledger } = createTestCharging();
    await call({ key: "k" }, options);
    expect(ledger.requests).toEqual(requests);
  });
});

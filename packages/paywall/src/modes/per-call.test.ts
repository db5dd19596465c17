import { describe, expect, it } from "vitest";
import { askInput, createTestCharging } from "../testing/test-charging.ts";

const pages = { meterName: "pages", charge: "call", quantity: 20 } as const;
const HOUR = 3_600_000;
const unreachable = () => expect.unreachable();

describe("a call that is billed when it is made", () => {
  it("is billed before it runs, however it ends", async () => {
    const { call, billed } = createTestCharging();
    await call({}, pages, () => expect(billed()).toEqual([20]));
    await expect(call({}, pages, () => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
    expect(billed()).toEqual([20, 20]);
  });

  it("runs once it is billed, although it is cancelled meanwhile", async () => {
    const cancelling = new AbortController();
    const { call, billed } = createTestCharging({
      through: (gateway) => ({
        ...gateway,
        verify: (...asked) => {
          cancelling.abort(new Error("gone"));
          return gateway.verify(...asked);
        },
      }),
    });
    expect(await call({ signal: cancelling.signal }, pages)).toMatchObject({ result: "ran" });
    expect(billed()).toEqual([20]);
  });
});

describe("a call that is billed in the background", () => {
  it("is verified before it runs, and journalled after it, however it ends", async () => {
    const { call, journalled, billed, ledger, told } = createTestCharging({ background: true });
    expect(await call({}, pages, () => journalled.length)).toMatchObject({
      result: 0,
      receipt: { meterName: "pages", quantity: 20 },
    });
    await expect(call({}, pages, () => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
    const usage = { agentId: "agt_1", meterName: "pages", quantity: 20 };
    expect(journalled).toMatchObject([usage, usage]);
    expect(told("metered")).toMatchObject([{ pending: true }, { pending: true }]);
    expect([ledger.requests, billed()]).toEqual([["verify", "verify"], []]);
  });

  it("does not run where it is cancelled meanwhile", async () => {
    const cancelling = new AbortController();
    const { call, journalled } = createTestCharging({
      background: true,
      through: (gateway) => ({
        ...gateway,
        verify: (...asked) => {
          cancelling.abort(new Error("gone"));
          return gateway.verify(...asked);
        },
      }),
    });
    await expect(call({ signal: cancelling.signal }, pages, unreachable)).rejects.toThrow("gone");
    expect(journalled).toEqual([]);
  });

  it.each([
    ["its budget is enforced", {}, { ...pages, enforceBudget: true }],
    ["its agent names it", { key: "k" }, pages],
  ])("is billed by a request where %s", async (_, named, options) => {
    const { call, journalled, billed } = createTestCharging({ background: true });
    await call(named, options, () => {
      expect(billed()).toEqual([20]);
    });
    expect([journalled, billed()]).toEqual([[], [20]]);
  });
});

describe("a call of two rounds", () => {
  const first = { args: { city: "Rome" } };
  const second = { ...first, round: "yes", continues: true };

  it.each([{}, { background: true }])("is paid for once: %j", async (options) => {
    const { call, billed, journalled, told } = createTestCharging(options);
    const asked = await call(first, pages, () => askInput);
    expect(await call(second, pages)).toEqual({ ...asked, result: "ran" });
    expect([...billed(), ...journalled.map(({ quantity }) => quantity)]).toEqual([20]);
    expect(told("verified")).toHaveLength(2);
    // Each round that was paid for is run once.
    await call(second, pages);
    expect([...billed(), ...journalled]).toHaveLength(2);
  });

  it("may go on for more than two", async () => {
    const { call, billed } = createTestCharging();
    await call(first, pages, () => askInput);
    await call(second, pages, () => askInput);
    await call({ ...second, round: "sure" }, pages);
    expect(billed()).toEqual([20]);
  });

  it.each([
    ["it does not say that it goes on", { ...second, continues: false }, pages],
    ["it has other arguments", { ...second, args: { city: "Oslo" } }, pages],
    ["it costs more", second, { ...pages, quantity: 21 }],
    ["another agent makes it", { ...second, agent: "agt_2" }, pages],
  ])(
    "is paid for twice where %s",
    async (_, { agent, ...again }: { agent?: string; continues: boolean }, options) => {
      const { call, billed, ledger, token } = createTestCharging();
      await call(first, pages, () => askInput);
      await call({ ...again, token: agent === undefined ? token : ledger.authorize(agent) }, options);
      expect(billed()).toEqual([20, options.quantity]);
    },
  );

  it.each([
    ["it was answered in the first one", "ran"],
    ["that failed", undefined],
  ])("is paid for twice where %s", async (_, result) => {
    const { call, billed } = createTestCharging();
    await call(first, pages, () => {
      if (result === undefined) throw new Error("failed");
      return result;
    }).catch(() => undefined);
    await call(second, pages);
    expect(billed()).toEqual([20, 20]);
  });

  it("may be gone on with for an hour", async () => {
    const { call, billed, wait } = createTestCharging();
    await call(first, pages, () => askInput);
    wait(HOUR - 1);
    await call(second, pages, () => askInput);
    expect(billed()).toEqual([20]);
    wait(HOUR);
    await call(second, pages);
    expect(billed()).toEqual([20, 20]);
  });

  it("stays paid for where it is refused in between", async () => {
    const { call, billed, ledger } = createTestCharging();
    const asked = await call(first, pages, () => askInput);
    ledger.refuseWith("rate_limited");
    expect(await call(second, pages, unreachable)).toMatchObject({ refusal: { code: "rate_limited" } });
    ledger.refuseWith(undefined);
    expect(await call(second, pages)).toEqual({ ...asked, result: "ran" });
    expect(billed()).toEqual([20]);
  });

  it("is for an agent that has its token still", async () => {
    const { call, ledger, token } = createTestCharging();
    await call(first, pages, () => askInput);
    ledger.revoke(token);
    expect(await call(second, pages, unreachable)).toMatchObject({ refusal: { code: "invalid_token" } });
  });

  it("goes on without the API where calls may", async () => {
    const { call, journalled, billed, ledger } = createTestCharging({ allowOffline: true });
    await call(first, pages, () => askInput);
    ledger.refuseWith("billing_unavailable");
    expect(await call(second, pages)).toMatchObject({ result: "ran" });
    expect([billed(), journalled]).toEqual([[20], []]);
  });

  it("is not gone on with where the first one could not be billed", async () => {
    const lost = createTestCharging({ background: true });
    await lost.call(first, pages, () => {
      lost.ledger.refuseWith("billing_unavailable");
      lost.failJournal();
      return askInput;
    });
    lost.ledger.refuseWith(undefined);
    await lost.call(second, pages);
    expect(lost.billed().length + lost.journalled.length).toBe(1);
  });
});

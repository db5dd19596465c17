import { describe, expect, it } from "vitest";
import type { GatewayOptions } from "../billing/gateway.ts";
import { losing } from "../testing/losing-gateway.ts";
import { askInput, createTestCharging } from "../testing/test-charging.ts";

const pages = { meterName: "pages", charge: "reserve", quantity: 20 } as const;
const enforced = { ...pages, charge: "success", enforceBudget: true } as const;
const gone = new Error("gone");
const report = (quantity: number) => (running: { reportUsage(quantity: number): void }) => {
  running.reportUsage(quantity);
  return "done";
};

describe.each([pages, enforced])("a call whose units are reserved: %j", (options) => {
  it("is billed what it used, and the rest is released", async () => {
    const { call, billed, ledger } = createTestCharging();
    await call({}, options, ({ reportUsage }) => {
      expect([billed(), ledger.reserved()]).toEqual([[], 20]);
      reportUsage(3);
    });
    await call({}, options);
    expect([billed(), ledger.reserved()]).toEqual([[3, 20], 0]);
    expect(ledger.requests).toEqual(["reserve", "commit", "reserve", "commit"]);
  });

  it.each<[string, () => unknown, string, object]>([
    ["fails", () => Promise.reject(gone), "void", {}],
    ["asks for input", () => askInput, "void", {}],
    ["has used nothing", () => "done", "settled", { resultQuantity: () => 0 }],
  ])("is not billed, and all of it is released, where it %s", async (_, run, status, more) => {
    const { charge, billed, ledger } = createTestCharging();
    expect(await charge({}, { ...options, ...more }, run)).toMatchObject({ settlement: { status } });
    expect([billed(), ledger.reserved()]).toEqual([[], 0]);
    expect(ledger.requests).toEqual(["reserve", "release"]);
  });

  it("does not run where it is cancelled while it is reserved, which is released", async () => {
    const cancelling = new AbortController();
    const { call, billed, ledger } = createTestCharging({
      through: (gateway) => ({
        ...gateway,
        reserve: async (...asked) => {
          const response = await gateway.reserve(...asked);
          cancelling.abort(gone);
          return response;
        },
      }),
    });
    const cancelled = call({ signal: cancelling.signal }, options, () => expect.unreachable());
    await expect(cancelled).rejects.toBe(gone);
    expect([billed(), ledger.reserved()]).toEqual([[], 0]);
  });

  it("is refused where its budget has too little left", async () => {
    const { call, ledger, billed } = createTestCharging();
    const token = ledger.authorize("agt_poor", { budgets: { pages: 19 } });
    const refused = await call({ token }, { ...options, enforceBudget: true }, () => expect.unreachable());
    expect(refused).toMatchObject({ refusal: { code: "budget_exceeded" } });
    expect([billed(), ledger.reserved()]).toEqual([[], 0]);
  });

  it("asks to settle before calls that have not begun", async () => {
    const asked: [string, GatewayOptions["settles"]][] = [];
    const { call } = createTestCharging({
      through: (gateway) => ({
        ...gateway,
        reserve: (token, request, how) => {
          asked.push(["reserve", how.settles]);
          return gateway.reserve(token, request, how);
        },
        commit: (token, id, quantity, how) => {
          asked.push(["commit", how.settles]);
          return gateway.commit(token, id, quantity, how);
        },
      }),
    });
    await call({}, options);
    expect(asked).toEqual([
      ["reserve", false],
      ["commit", true],
    ]);
  });
});

describe("a call that is cancelled as it runs", () => {
  it.each<[string, (abort: () => void) => unknown]>([
    ["returns", (abort) => abort()],
    [
      "throws",
      (abort) => {
        abort();
        throw new Error("stopped");
      },
    ],
  ])("is released and not billed where it was reserved, and %s", async (how, run) => {
    const { charge, call, billed, ledger } = createTestCharging();
    const cancelling = [new AbortController(), new AbortController()] as const;
    const [first, second] = cancelling;
    const charged = await charge({ signal: first.signal }, pages, () => run(() => first.abort(gone)));
    expect(charged).toMatchObject({ settlement: { status: "cancelled", reason: gone } });
    const cancelled = call({ signal: second.signal }, pages, () => run(() => second.abort(gone)));
    await expect(cancelled).rejects.toThrow(how === "throws" ? "stopped" : "gone");
    expect([billed(), ledger.reserved()]).toEqual([[], 0]);
  });

  it("is billed what it reported, and its result is withheld", async () => {
    const { charge, billed, ledger } = createTestCharging();
    const cancelling = new AbortController();
    const charged = await charge({ signal: cancelling.signal }, pages, ({ reportUsage }) => {
      reportUsage(3);
      cancelling.abort(gone);
    });
    expect(charged).toMatchObject({ settlement: { status: "cancelled", reason: gone } });
    expect([billed(), ledger.reserved()]).toEqual([[3], 0]);
  });

  it("is billed and delivered where it is charged by its success", async () => {
    const { call, billed } = createTestCharging();
    const cancelling = new AbortController();
    const result = await call({ signal: cancelling.signal }, enforced, () => {
      cancelling.abort(gone);
      return "done";
    });
    expect(result).toMatchObject({ result: "done", receipt: { quantity: 20 } });
    expect(billed()).toEqual([20]);
  });

  it("is billed and delivered where its usage is on its way by then", async () => {
    const cancelling = new AbortController();
    const { call, billed } = createTestCharging({
      through: (gateway) => ({
        ...gateway,
        commit: (...asked) => {
          cancelling.abort(gone);
          return gateway.commit(...asked);
        },
      }),
    });
    expect(await call({ signal: cancelling.signal }, pages, () => "done")).toMatchObject({ result: "done" });
    expect(billed()).toEqual([20]);
  });

  it("is billed and delivered to its repetition where its first bill was lost and it was cancelled since", async () => {
    const { call, billed, ledger } = createTestCharging();
    const cancelling = new AbortController();
    const { signal } = cancelling;
    const first = await call({ key: "k", signal }, pages, () => {
      ledger.refuseWith("billing_unavailable");
      return "done";
    });
    expect(first).toMatchObject({ refusal: { code: "billing_unavailable" } });
    cancelling.abort(gone);
    ledger.refuseWith(undefined);
    expect(await call({ key: "k" }, pages, () => expect.unreachable())).toMatchObject({ result: "done" });
    expect([billed(), ledger.reserved()]).toEqual([[20], 0]);
  });
});

describe("usage beyond what was reserved", () => {
  it.each([undefined, "k"])("is billed by itself, whatever is left of a budget: key %s", async (key) => {
    const { call, billed, ledger, told } = createTestCharging();
    const token = ledger.authorize("agt_poor", { budgets: { pages: 20 } });
    const result = await call(
      { token, ...(key !== undefined && { key }) },
      { ...pages, enforceBudget: true },
      report(25),
    );
    const [first, second] = ledger.usage;
    expect(result).toEqual({
      result: "done",
      receipt: {
        meterName: "pages",
        quantity: 25,
        events: [
          { idempotencyKey: first?.idempotencyKey, quantity: 20 },
          { idempotencyKey: second?.idempotencyKey, quantity: 5 },
        ],
      },
    });
    expect([billed(), ledger.reserved()]).toEqual([[20, 5], 0]);
    expect(told("failed")).toEqual([
      {
        kind: "call",
        name: "report",
        agentId: "agt_poor",
        meterName: "pages",
        quantity: 5,
        reason: "5 units more were reported than reserved: they are billed too",
        error: undefined,
      },
    ]);
  });

  it("is none where all of it was used", async () => {
    const { call, billed, told } = createTestCharging();
    await call({}, pages, report(20));
    expect([billed(), told("failed")]).toEqual([[20], []]);
  });

  /** Loses the request that bills it. */
  function losingBeyond(fate: "request" | "answer") {
    return createTestCharging({
      through: (gateway) => {
        const lossy = losing(gateway);
        lossy.fates = ["fine", "fine", fate];
        return lossy;
      },
    });
  }

  it.each(["request", "answer"] as const)(
    "is billed once under its key where the %s was lost, and what was reserved is not billed again",
    async (fate) => {
      const { call, billed, ledger } = losingBeyond(fate);
      const refused = await call({ key: "k" }, pages, report(25));
      expect(refused).toMatchObject({ refusal: { code: "billing_unavailable" } });
      const again = await call({ key: "k" }, pages, () => expect.unreachable());
      expect(again).toMatchObject({ result: "done", receipt: { quantity: 25 } });
      expect([billed(), ledger.reserved()]).toEqual([[20, 5], 0]);
    },
  );

  it.each(["request", "answer"] as const)(
    "leaves what was billed for the agent's next call where the %s was lost",
    async (fate) => {
      const { call, billed, ledger } = losingBeyond(fate);
      const refused = await call({}, pages, report(25));
      expect(refused).toMatchObject({ refusal: { code: "billing_unavailable" } });
      expect(await call({}, pages, report(25))).toMatchObject({ result: "done", receipt: { quantity: 25 } });
      expect([billed(), ledger.reserved()]).toEqual([[20, 5], 0]);
      // Nothing is left of it for a call after that.
      await call({}, pages);
      expect(billed()).toEqual([20, 5, 20]);
    },
  );
});

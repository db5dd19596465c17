import { describe, expect, it } from "vitest";
import type { KeptOutcome } from "../modes/outcome.ts";
import { type TestCall, toCall } from "../testing/test-charging.ts";
import { createIdempotencyCache, type IdempotencyEntry } from "./idempotency-cache.ts";

const returned = (result: unknown): KeptOutcome => ({ status: "returned", result });
const callerOf = (agentId: string, accountId = "acc_1") => ({
  accountId,
  agentId,
  scopes: [],
  expiresAt: undefined,
  budget: undefined,
});

/** A cache whose calls are those of one agent under one key, unless something else is said. */
function makeCache() {
  const cache = createIdempotencyCache(() => 0);
  const mine = callerOf("agt_1");
  return {
    enter: (call: TestCall = {}, caller = mine) => cache.enter(toCall({ key: "k", ...call }), caller),
    find: (call: TestCall = {}, caller = mine) => cache.find(toCall({ key: "k", ...call }), caller),
    begin(call: TestCall = {}, caller = mine): IdempotencyEntry {
      const entered = cache.enter(toCall({ key: "k", ...call }), caller);
      if (typeof entered === "string" || entered instanceof Promise)
        expect.unreachable("it is no first call");
      return entered;
    },
  };
}

describe("a repetition", () => {
  it("waits for the first call's outcome, and is given it later on", async () => {
    const { begin, enter, find } = makeCache();
    expect(find()).toBeUndefined();
    const first = begin();
    const [meanwhile, found] = [enter(), find()];
    first.end(returned("first"), true);
    expect(await meanwhile).toEqual(returned("first"));
    expect(await found).toEqual(returned("first"));
    expect(await enter()).toEqual(returned("first"));
    expect(await find()).toEqual(returned("first"));
  });

  it("is told an outcome that is not kept only where it came meanwhile", async () => {
    const { begin, enter, find } = makeCache();
    const first = begin();
    const meanwhile = enter();
    first.end(returned("first"), false);
    expect(await meanwhile).toEqual(returned("first"));
    expect(find()).toBeUndefined();
    begin().end(returned("second"), true);
    expect(await enter()).toEqual(returned("second"));
  });

  it("is given what the outcome has changed to", async () => {
    const { begin, enter } = makeCache();
    const settle = async () => ({ status: "settled" }) as const;
    const unsettled: KeptOutcome = { status: "unsettled", result: "first", settle };
    const first = begin();
    first.end(unsettled, true);
    expect(await enter()).toEqual(unsettled);
    first.end(returned("first"), true);
    expect(await enter()).toEqual(returned("first"));
  });

  it("is not given the outcome of a call that was forgotten for another one", async () => {
    const { begin, enter } = makeCache();
    const forgotten = begin();
    forgotten.end(returned("forgotten"), false);
    const second = begin();
    const meanwhile = enter();
    forgotten.end(returned("forgotten"), true);
    second.end(returned("second"), true);
    expect(await meanwhile).toEqual(returned("second"));
    expect(await enter()).toEqual(returned("second"));
  });
});

describe("a key", () => {
  it.each([
    ["another agent", {}, callerOf("agt_2")],
    ["an agent of another account", {}, callerOf("agt_1", "acc_2")],
    ["another key", { key: "other" }, callerOf("agt_1")],
    ["another round of a call", { round: "2" }, callerOf("agt_1")],
  ])("says nothing about %s", async (_, call, caller) => {
    const { begin, enter, find } = makeCache();
    begin().end(returned("first"), true);
    expect(find(call, caller)).toBeUndefined();
    begin(call, caller).end(returned("other"), true);
    expect(await enter(call, caller)).toEqual(returned("other"));
    expect(await enter()).toEqual(returned("first"));
  });

  const stream = () => new ReadableStream();
  it.each<[string, TestCall, TestCall, string]>([
    ["other arguments", { args: { city: "Rome" } }, { args: { city: "Oslo" } }, "conflict"],
    ["another name", { name: "report" }, { name: "forecast" }, "conflict"],
    ["another handler", { madeOf: "one" }, { madeOf: "other" }, "unknown"],
    [
      "arguments that cannot be told apart",
      { args: { of: stream() } },
      { args: { of: stream() } },
      "unknown",
    ],
  ])("is refused to a call with %s, which finds nothing", async (_, one, other, why) => {
    const { begin, enter, find } = makeCache();
    begin(one).end(returned("first"), true);
    expect(enter(other)).toBe(why);
    expect(find(other)).toBeUndefined();
    expect(await enter(one)).toEqual(returned("first"));
  });

  it("that several calls share is told apart by what they are", async () => {
    const { begin, enter } = makeCache();
    const rome = { args: { city: "Rome" } };
    const oslo = { args: { city: "Oslo" }, sharesKey: () => true };
    begin(rome).end(returned("Rome"), true);
    begin(oslo).end(returned("Oslo"), true);
    expect(await enter(oslo)).toEqual(returned("Oslo"));
    // The first one came before the other was known of.
    expect(await enter({ ...rome, sharesKey: () => true })).toEqual(returned("Rome"));
    expect(await enter(rome)).toEqual(returned("Rome"));
    expect(enter({ ...oslo, sharesKey: () => false })).toBe("conflict");
  });
});

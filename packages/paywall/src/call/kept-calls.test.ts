import { describe, expect, it } from "vitest";
import type { KeptOutcome } from "../modes/outcome.ts";
import { toCall } from "../testing/test-charging.ts";
import { createIdempotencyCache } from "./idempotency-cache.ts";

const MINUTE = 60_000;
/** Calls that one agent has at most. */
const CALLS = 1_000;
/** Characters of a result, of which ten fill an agent's room, and forty that of all agents. */
const TENTH = 796_800;

const returned = (result: unknown): KeptOutcome => ({ status: "returned", result });
const settle = async () => ({ status: "settled" }) as const;
const unsettled = (result: unknown): KeptOutcome => ({ status: "unsettled", result, settle });
const threw: KeptOutcome = { status: "threw", error: new Error("failed") };
const text = (length: number) => "x".repeat(length);

function makeCache() {
  let time = 0;
  const cache = createIdempotencyCache(() => time);
  const callerOf = (agentId: string) => ({
    accountId: "acc_1",
    agentId,
    scopes: [],
    expiresAt: undefined,
    budget: undefined,
  });
  const enter = (agentId: string, key: string) => cache.enter(toCall({ key }), callerOf(agentId));
  /** Begins a call; what it returns ends it. */
  const begin = (agentId: string, key: string) => {
    const entry = enter(agentId, key);
    if (typeof entry === "string" || entry instanceof Promise) expect.unreachable(`not begun: ${key}`);
    return (outcome: KeptOutcome) => entry.end(outcome, true);
  };
  return {
    enter,
    begin,
    wait(milliseconds: number) {
      time += milliseconds;
    },
    /** Begins a call and ends it. */
    keep: (agentId: string, key: string, outcome: KeptOutcome) => begin(agentId, key)(outcome),
    keeps: (agentId: string, key: string) => cache.find(toCall({ key }), callerOf(agentId)) !== undefined,
  };
}

describe("an outcome is kept", () => {
  it("for ten minutes after the call's end", () => {
    const { begin, keep, keeps, wait } = makeCache();
    const end = begin("agt_1", "slow");
    keep("agt_1", "fast", returned("done"));
    wait(5 * MINUTE);
    end(returned("done"));
    wait(5 * MINUTE - 1);
    expect([keeps("agt_1", "fast"), keeps("agt_1", "slow")]).toEqual([true, true]);
    wait(1);
    expect([keeps("agt_1", "fast"), keeps("agt_1", "slow")]).toEqual([false, true]);
    wait(5 * MINUTE - 1);
    expect(keeps("agt_1", "slow")).toBe(true);
    wait(1);
    expect(keeps("agt_1", "slow")).toBe(false);
  });

  it("for ten minutes after it has changed", () => {
    const { begin, keeps, wait } = makeCache();
    const end = begin("agt_1", "k");
    end(unsettled("done"));
    wait(9 * MINUTE);
    end(returned("done"));
    wait(9 * MINUTE);
    expect(keeps("agt_1", "k")).toBe(true);
    wait(MINUTE);
    expect(keeps("agt_1", "k")).toBe(false);
  });

  it("and forgotten when another call comes after its time", () => {
    const { begin, keep, wait } = makeCache();
    keep("agt_1", "k", returned("done"));
    wait(10 * MINUTE);
    begin("agt_1", "k");
  });

  it("however long a call runs", () => {
    const { begin, keeps, wait } = makeCache();
    begin("agt_1", "k");
    wait(1_000 * MINUTE);
    expect(keeps("agt_1", "k")).toBe(true);
  });
});

describe("the calls of one agent", () => {
  it("make way for a new one where there are a thousand, those that ended first before the others", () => {
    const { begin, keep, keeps } = makeCache();
    const end = begin("agt_1", "began first, ended last");
    for (let index = 1; index < CALLS; index++) keep("agt_1", `k${index}`, returned("done"));
    end(returned("done"));
    begin("agt_1", "new");
    expect(["k1", "k2", "began first, ended last", "new"].map((key) => keeps("agt_1", key))).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });

  it("are refused where a thousand have not ended or are not billed yet, and no other agent's are", () => {
    const { begin, enter, keep, keeps } = makeCache();
    keep("agt_1", "not billed", unsettled("done"));
    const ends = Array.from({ length: CALLS - 1 }, (_, index) => begin("agt_1", `k${index}`));
    expect(enter("agt_1", "new")).toBe("full");
    begin("agt_2", "new");
    ends[7]?.(returned("done"));
    begin("agt_1", "new");
    expect(["not billed", "k0", "k7"].map((key) => keeps("agt_1", key))).toEqual([true, true, false]);
  });

  it("keep results of eight million characters, the last ones of them", () => {
    const { keep, keeps } = makeCache();
    for (let index = 0; index < 10; index++) keep("agt_1", `k${index}`, returned(text(TENTH)));
    expect(keeps("agt_1", "k0")).toBe(true);
    keep("agt_1", "small", threw);
    expect(["k0", "k1", "k9", "small"].map((key) => keeps("agt_1", key))).toEqual([false, true, true, true]);
  });

  it("do not push out others by changing", () => {
    const { begin, keep, keeps } = makeCache();
    for (let index = 0; index < 9; index++) keep("agt_1", `k${index}`, returned(text(TENTH)));
    const end = begin("agt_1", "last");
    for (const outcome of [unsettled(text(TENTH)), unsettled(text(TENTH)), returned(text(TENTH))])
      end(outcome);
    expect([keeps("agt_1", "k0"), keeps("agt_1", "last")]).toEqual([true, true]);
  });

  it("keep no further result where none of them is billed yet", () => {
    const { keep, keeps } = makeCache();
    for (let index = 0; index < 10; index++) keep("agt_1", `k${index}`, unsettled(text(TENTH)));
    keep("agt_1", "new", returned("done"));
    expect([keeps("agt_1", "k0"), keeps("agt_1", "new")]).toEqual([true, false]);
  });
});

describe("the calls of all agents", () => {
  /** Fills the room of all agents: four have ten results each. */
  function makeFull(outcome: (result: unknown) => KeptOutcome = returned) {
    const cache = makeCache();
    for (const agent of ["agt_1", "agt_2", "agt_3", "agt_4"])
      for (let index = 0; index < 10; index++) cache.keep(agent, `k${index}`, outcome(text(TENTH)));
    return cache;
  }
  const AGENTS = ["agt_1", "agt_2", "agt_3", "agt_4"];

  it("are kept up to 32 million characters, and make way for another agent's", () => {
    const { keep, keeps } = makeFull();
    expect(AGENTS.map((agent) => keeps(agent, "k0"))).toEqual([true, true, true, true]);
    keep("agt_5", "k", returned("done"));
    expect(keeps("agt_5", "k")).toBe(true);
    expect(AGENTS.filter((agent) => !keeps(agent, "k0"))).toHaveLength(1);
    expect(AGENTS.filter((agent) => !keeps(agent, "k1"))).toHaveLength(0);
  });

  it.each([
    ["of like size", { agt_1: 8, agt_most: 9, agt_2: 8, agt_3: 8, agt_4: 7 }],
    ["of all sizes", { agt_1: 1, agt_2: 9, agt_3: 2, agt_most: 10, agt_4: 4, agt_5: 9, agt_6: 5 }],
  ])("make way by those of the agent that keeps most, among agents %s", (_, counts) => {
    const { keep, keeps } = makeCache();
    for (const [agent, count] of Object.entries(counts))
      for (let index = 0; index < count; index++) keep(agent, `k${index}`, returned(text(TENTH)));
    keep("agt_new", "k", returned("done"));
    expect(keeps("agt_new", "k")).toBe(true);
    expect(Object.keys(counts).filter((agent) => !keeps(agent, "k0"))).toEqual(["agt_most"]);
    expect(keeps("agt_most", "k1")).toBe(true);
  });

  it("never make way before they are billed", () => {
    const { keep, keeps } = makeFull(unsettled);
    keep("agt_5", "k", returned("done"));
    expect(keeps("agt_5", "k")).toBe(false);
    expect(AGENTS.map((agent) => keeps(agent, "k0"))).toEqual([true, true, true, true]);
  });

  it("make way by those of another agent where the one that keeps most has none that is billed", () => {
    const { keep, keeps } = makeCache();
    for (let index = 0; index < 9; index++) keep("agt_small", `k${index}`, returned(text(TENTH)));
    for (const agent of ["agt_1", "agt_2", "agt_3"])
      for (let index = 0; index < 10; index++) keep(agent, `k${index}`, unsettled(text(TENTH)));
    keep("agt_5", "k0", unsettled(text(TENTH)));
    keep("agt_5", "k1", returned(text(TENTH)));
    expect([keeps("agt_5", "k1"), keeps("agt_small", "k0"), keeps("agt_small", "k1")]).toEqual([
      true,
      false,
      true,
    ]);
  });

  it("have their room back when they are forgotten", () => {
    const { keep, keeps, wait } = makeFull();
    wait(10 * MINUTE);
    for (const agent of AGENTS)
      for (let index = 0; index < 10; index++) keep(agent, `new ${index}`, returned(text(TENTH)));
    expect(AGENTS.map((agent) => keeps(agent, "new 0"))).toEqual([true, true, true, true]);
  });

  it("are ten thousand at most, however small they are", () => {
    const { keep, keeps } = makeCache();
    for (let agent = 0; agent < 10; agent++)
      for (let index = 0; index < CALLS; index++) keep(`agt_${agent}`, `k${index}`, threw);
    const kept = () => Array.from({ length: 10 }, (_, agent) => keeps(`agt_${agent}`, "k0"));
    expect(kept()).toEqual(Array.from({ length: 10 }, () => true));
    keep("agt_new", "k", threw);
    expect(kept().filter((isKept) => !isKept)).toHaveLength(1);
  });
});

describe("a result that is kept, or is too large to be", () => {
  const MILLION = 1_000_000;
  const within = { deep: [{ deeper: ["x".repeat(10)] }] };
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  it.each<[string, unknown, boolean]>([
    ["of nothing", undefined, true],
    ["that is null", null, true],
    ["of few parts", within, true],
    ["a little shorter than a million characters", text(MILLION - 1), true],
    ["of a million characters", text(MILLION), false],
    ["of half a million bytes", new Uint8Array(MILLION / 2), true],
    ["of a million bytes", new Uint8Array(MILLION), false],
    ["of many strings", Array.from({ length: 10 }, () => text(MILLION / 10)), false],
    ["of fewer strings", Array.from({ length: 9 }, () => text(MILLION / 10)), true],
    ["of many numbers", Array.from({ length: MILLION / 16 }, () => 1), false],
    ["of fewer numbers", Array.from({ length: MILLION / 40 }, () => 1), true],
    ["with a long name in it", { [text(MILLION)]: 1 }, false],
    ["that is in itself", circle, false],
  ])("%s: %#", (_, result, isKept) => {
    const { keep, keeps } = makeCache();
    keep("agt_1", "before", returned("done"));
    keep("agt_1", "k", returned(result));
    expect([keeps("agt_1", "before"), keeps("agt_1", "k")]).toEqual([true, isKept]);
  });

  it("takes no room where it is too large", () => {
    const { keep, keeps } = makeCache();
    for (let index = 0; index < 10; index++) keep("agt_1", `k${index}`, returned(text(TENTH)));
    keep("agt_1", "large", returned(text(MILLION)));
    expect(keeps("agt_1", "k0")).toBe(true);
  });
});

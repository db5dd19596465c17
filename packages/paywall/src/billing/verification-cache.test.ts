import { describe, expect, test, vi } from "vitest";
import { hashToken } from "../credential/find-credential.ts";
import {
  createVerificationCache,
  type VerificationCacheOptions,
  type VerifiedCaller,
} from "./verification-cache.ts";

const TOKEN = hashToken("AGT-secret-token");

function callerOf(changes: Partial<VerifiedCaller> = {}): VerifiedCaller {
  return { accountId: "acc_1", agentId: "agt_1", scopes: ["mcp:invoke"], expiresAt: undefined, ...changes };
}

function setUp(options: Partial<VerificationCacheOptions> = {}) {
  const clock = { now: 1_000_000 };
  const cache = createVerificationCache({ cacheTtl: 10_000, now: () => clock.now, ...options });
  return { cache, clock };
}

/** A verification that answers when it is told to. */
function heldVerification() {
  const signals: AbortSignal[] = [];
  let answer = (_: VerifiedCaller) => {};
  let fail = (_: Error) => {};
  const verify = vi.fn((signal: AbortSignal) => {
    signals.push(signal);
    return new Promise<VerifiedCaller>((resolve, reject) => {
      answer = resolve;
      fail = reject;
    });
  });
  return {
    verify,
    signals,
    answer: (caller = callerOf()) => answer(caller),
    fail: (error: Error) => fail(error),
  };
}

describe("a verified token", () => {
  test("is trusted for cacheTtl and then asked for again", async () => {
    const { cache, clock } = setUp();
    const verify = vi.fn(async () => callerOf());
    for (const at of [0, 1, 9999]) {
      clock.now = 1_000_000 + at;
      expect(await cache.verified(TOKEN, verify)).toEqual(callerOf());
    }
    expect(verify).toHaveBeenCalledTimes(1);
    clock.now = 1_010_000;
    await cache.verified(TOKEN, verify);
    expect(verify).toHaveBeenCalledTimes(2);
  });

  test("is trusted no longer where the clock is set back meanwhile, and known no longer", () => {
    let elapsed = 0;
    const { cache, clock } = setUp({ lastKnownTtl: 20_000, elapsed: () => elapsed });
    cache.remember(TOKEN, callerOf());
    clock.now -= 3_600_000;
    elapsed = 9_999;
    expect(cache.trusted(TOKEN)).toEqual(callerOf());
    elapsed = 10_000;
    expect(cache.trusted(TOKEN)).toBeUndefined();
    expect(cache.lastKnown(TOKEN)).toEqual(callerOf());
    elapsed = 20_000;
    expect(cache.lastKnown(TOKEN)).toBeUndefined();
  });

  test("is never trusted beyond its own expiry", async () => {
    const { cache, clock } = setUp();
    cache.remember(TOKEN, callerOf({ expiresAt: new Date(1_004_000) }));
    clock.now = 1_003_999;
    expect(cache.trusted(TOKEN)?.agentId).toBe("agt_1");
    clock.now = 1_004_000;
    expect(cache.trusted(TOKEN)).toBeUndefined();
    expect(cache.lastKnown(TOKEN)).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  test("is trusted from the question on, however long the answer took", async () => {
    const { cache, clock } = setUp();
    const held = heldVerification();
    const answer = cache.verified(TOKEN, held.verify);
    clock.now += 9000;
    held.answer();
    await answer;
    expect(cache.trusted(TOKEN)).toBeDefined();
    clock.now += 1000;
    expect(cache.trusted(TOKEN)).toBeUndefined();
  });

  test("with a cacheTtl of 0 is asked for each time, and still known", async () => {
    const { cache } = setUp({ cacheTtl: 0 });
    const verify = vi.fn(async () => callerOf());
    await cache.verified(TOKEN, verify);
    await cache.verified(TOKEN, verify);
    expect(verify).toHaveBeenCalledTimes(2);
    expect(cache.lastKnown(TOKEN)).toEqual(callerOf());
  });

  test("whose expiry is no date is not remembered", () => {
    const { cache } = setUp();
    cache.remember(TOKEN, callerOf({ expiresAt: new Date("soon") }));
    expect(cache.size).toBe(0);
  });

  test("gives every caller an object of its own, without anything else the answer carried", async () => {
    const { cache } = setUp();
    const answer = {
      ...callerOf({ expiresAt: new Date(2_000_000) }),
      budget: { remaining: 3 },
      token: TOKEN,
    };
    const first = await cache.verified(TOKEN, async () => answer);
    expect(Object.keys(first)).toEqual(["accountId", "agentId", "scopes", "expiresAt"]);
    if (!Array.isArray(first.scopes)) throw new Error("scopes must be a list");
    first.scopes.push("admin");
    first.expiresAt?.setTime(9e12);
    expect(cache.trusted(TOKEN)).toEqual(callerOf({ expiresAt: new Date(2_000_000) }));
  });
});

describe("concurrent calls of one token", () => {
  test("share one request", async () => {
    const { cache } = setUp();
    const held = heldVerification();
    const answers = Promise.all(Array.from({ length: 50 }, () => cache.verified(TOKEN, held.verify)));
    held.answer();
    expect(await answers).toEqual(Array.from({ length: 50 }, () => callerOf()));
    expect(held.verify).toHaveBeenCalledTimes(1);
  });

  test("all hear of a failure, and the next call asks again", async () => {
    const { cache } = setUp();
    const held = heldVerification();
    const answers = Promise.allSettled([
      cache.verified(TOKEN, held.verify),
      cache.verified(TOKEN, held.verify),
    ]);
    const outage = new Error("connect ECONNREFUSED");
    held.fail(outage);
    for (const answer of await answers) expect(answer).toEqual({ status: "rejected", reason: outage });
    expect(cache.size).toBe(0);
    expect(await cache.verified(TOKEN, async () => callerOf())).toEqual(callerOf());
  });

  test("one that gives up leaves the request to the others", async () => {
    const { cache } = setUp();
    const held = heldVerification();
    const impatient = new AbortController();
    const first = cache.verified(TOKEN, held.verify, impatient.signal);
    const second = cache.verified(TOKEN, held.verify, new AbortController().signal);
    impatient.abort(new Error("cancelled"));
    await expect(first).rejects.toThrow("cancelled");
    expect(held.signals[0]?.aborted).toBe(false);
    held.answer();
    expect(await second).toEqual(callerOf());
  });

  test("when all give up the request is called off, and a later call begins anew", async () => {
    const { cache } = setUp();
    const held = heldVerification();
    const impatient = new AbortController();
    const both = Promise.allSettled([
      cache.verified(TOKEN, held.verify, impatient.signal),
      cache.verified(TOKEN, held.verify, impatient.signal),
    ]);
    impatient.abort();
    await both;
    expect(held.signals[0]?.aborted).toBe(true);
    expect(await cache.verified(TOKEN, async () => callerOf({ agentId: "agt_2" }))).toMatchObject({
      agentId: "agt_2",
    });
  });

  test("a signal that has ended before makes no request", async () => {
    const { cache } = setUp();
    const held = heldVerification();
    await expect(cache.verified(TOKEN, held.verify, AbortSignal.abort())).rejects.toThrow();
    expect(held.verify).not.toHaveBeenCalled();
  });

  test("different tokens do not share", async () => {
    const { cache } = setUp();
    const [one, two] = await Promise.all([
      cache.verified(hashToken("AGT-1"), async () => callerOf({ agentId: "1" })),
      cache.verified(hashToken("AGT-2"), async () => callerOf({ agentId: "2" })),
    ]);
    expect([one.agentId, two.agentId]).toEqual(["1", "2"]);
    expect(cache.trusted(hashToken("AGT-1"))?.agentId).toBe("1");
  });
});

describe("the last known caller", () => {
  test("is known after cacheTtl, until the token itself expires", () => {
    const { cache, clock } = setUp();
    cache.remember(TOKEN, callerOf({ expiresAt: new Date(5_000_000) }));
    clock.now = 4_999_999;
    expect(cache.trusted(TOKEN)).toBeUndefined();
    expect(cache.lastKnown(TOKEN)?.agentId).toBe("agt_1");
    clock.now = 5_000_000;
    expect(cache.lastKnown(TOKEN)).toBeUndefined();
  });

  test("of a token without a known expiry is known for lastKnownTtl", () => {
    const { cache, clock } = setUp({ lastKnownTtl: 60_000 });
    cache.remember(TOKEN, callerOf());
    clock.now += 59_999;
    expect(cache.lastKnown(TOKEN)).toBeDefined();
    clock.now += 1;
    expect(cache.lastKnown(TOKEN)).toBeUndefined();
  });

  test("is nobody for a token that was never verified", () => {
    expect(setUp().cache.lastKnown(TOKEN)).toBeUndefined();
  });

  test("is gone with the API's 401, even where an older answer comes in later", async () => {
    const { cache } = setUp();
    cache.remember(TOKEN, callerOf());
    cache.forget(TOKEN);
    expect(cache.lastKnown(TOKEN)).toBeUndefined();
    const held = heldVerification();
    const answer = cache.verified(TOKEN, held.verify);
    cache.forget(TOKEN);
    held.answer();
    await answer;
    expect(cache.trusted(TOKEN)).toBeUndefined();
    expect(cache.lastKnown(TOKEN)).toBeUndefined();
  });
});

describe("a cache that is full", () => {
  /** Numbers that look random, and are the same in each run. */
  function pseudoRandom(): () => number {
    let state = 1;
    return () => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    };
  }

  test("holds no more than maxEntries", () => {
    const { cache } = setUp({ maxEntries: 3 });
    for (let n = 0; n < 1000; n++) cache.remember(hashToken(`t${n}`), callerOf());
    expect(cache.size).toBe(3);
  });

  test("answers most calls where slightly more agents than it has places come in turn", () => {
    const { cache } = setUp({ maxEntries: 1_000, random: pseudoRandom() });
    let hits = 0;
    for (let call = 0; call < 11_000; call++) {
      const agent = hashToken(`agent ${call % 1_100}`);
      if (cache.trusted(agent) !== undefined) hits++;
      else cache.remember(agent, callerOf());
    }
    // The first round of 1,100 finds nobody.
    expect(hits / (11_000 - 1_100)).toBeGreaterThan(0.8);
  });

  test("keeps agents that come again before those that came once", () => {
    const { cache } = setUp({ maxEntries: 1_000, random: pseudoRandom() });
    const regulars = Array.from({ length: 500 }, (_, index) => hashToken(`regular ${index}`));
    let misses = 0;
    for (let round = 0; round < 40; round++) {
      for (const [index, agent] of regulars.entries()) {
        if (cache.trusted(agent) === undefined) {
          if (round > 0) misses++;
          cache.remember(agent, callerOf());
        }
        if (index % 5 === 0) cache.remember(hashToken(`once ${round} ${index}`), callerOf());
      }
    }
    expect(misses / (39 * 500)).toBeLessThan(0.05);
  });

  test("gives up tokens that would be asked for again before those that are trusted", () => {
    const { cache, clock } = setUp({ maxEntries: 100, random: pseudoRandom() });
    for (let n = 0; n < 50; n++) cache.remember(hashToken(`old ${n}`), callerOf());
    clock.now += 10_000;
    const trusted = Array.from({ length: 50 }, (_, n) => hashToken(`new ${n}`));
    for (const token of trusted) cache.remember(token, callerOf());
    for (const token of trusted) cache.trusted(token);
    for (let n = 0; n < 10; n++) cache.remember(hashToken(`newest ${n}`), callerOf());
    expect(trusted.filter((token) => cache.trusted(token) === undefined)).toEqual([]);
  });
});

test("a token is recent for longer than it is trusted, where that is asked for, and no longer than it is known", () => {
  const { cache, clock } = setUp({ recentTtl: 20_000 });
  cache.remember(TOKEN, callerOf());
  clock.now += 19_999;
  expect(cache.trusted(TOKEN)).toBeUndefined();
  expect(cache.recent(TOKEN)).toEqual(callerOf());
  clock.now += 1;
  expect(cache.recent(TOKEN)).toBeUndefined();
  cache.remember(TOKEN, callerOf({ expiresAt: new Date(clock.now + 5_000) }));
  clock.now += 5_000;
  expect(cache.recent(TOKEN)).toBeUndefined();
});

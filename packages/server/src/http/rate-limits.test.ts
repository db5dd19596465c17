import { describe, expect, it } from "vitest";
import { createRateLimiter } from "./rate-limits.ts";

describe("the rate limiter", () => {
  const start = Date.UTC(2027, 0, 1);
  const limiterOf = (mostCallers: number) => {
    let time = start;
    let fails = false;
    const shared: unknown[] = [];
    const counts: unknown[] = [];
    const query = <Row>(_: string, values: readonly unknown[] = []): Promise<Row[]> => {
      if (fails) return Promise.reject(new Error("away"));
      shared.push(...[values[0]].flat());
      counts.push(values[2]);
      return Promise.resolve([]);
    };
    const limiter = createRateLimiter({ kind: "postgres", query }, () => new Date(time), mostCallers);
    return {
      ...limiter,
      shared,
      counts,
      setFails: (value: boolean) => {
        fails = value;
      },
      moveOn: (milliseconds: number) => {
        time += milliseconds;
      },
    };
  };

  it("counts each caller for itself, and starts again with the next minute", () => {
    const limiter = limiterOf(10);
    expect(limiter.hit("credential", "a", 2)).toMatchObject({ remaining: 1, exceeded: false });
    expect(limiter.hit("credential", "a", 2)).toMatchObject({ remaining: 0, exceeded: false });
    expect(limiter.hit("credential", "a", 2)).toMatchObject({ remaining: 0, exceeded: true });
    expect(limiter.hit("address", "a", 2)).toMatchObject({ remaining: 1, exceeded: false });
    limiter.moveOn(60_000);
    expect(limiter.hit("credential", "a", 2)).toMatchObject({ remaining: 1, reset: start / 1_000 + 120 });
  });

  it("keeps no more callers than it has room for: the others are answered and not counted", async () => {
    const limiter = limiterOf(3);
    for (const caller of ["a", "b", "c"]) limiter.hit("credential", caller, 2);
    for (let call = 0; call < 100; call += 1) {
      expect(limiter.hit("credential", `made-up-${call}`, 2).exceeded).toBe(false);
      expect(limiter.hit("credential", "made-up", 2).exceeded).toBe(false);
    }
    for (const exceeded of [false, true])
      expect(limiter.hit("credential", "a", 2)).toMatchObject({ exceeded });
    for (const exceeded of [false, false, true])
      expect(limiter.hit("address", "a", 2)).toMatchObject({ exceeded });
    await limiter.sync();
    expect([...limiter.shared].sort()).toEqual(["address:a", "credential:a", "credential:b", "credential:c"]);
  });

  it("shares with the next attempt what an attempt that failed did not share", async () => {
    const limiter = limiterOf(10);
    for (let call = 0; call < 3; call += 1) limiter.hit("credential", "a", 9);
    limiter.setFails(true);
    await expect(limiter.sync()).rejects.toThrow("away");
    expect(limiter.hit("credential", "a", 9)).toMatchObject({ remaining: 5 });
    limiter.setFails(false);
    await limiter.sync();
    expect(limiter.counts).toEqual([[4]]);
    await limiter.sync();
    expect(limiter.counts).toHaveLength(1);
    expect(limiter.hit("credential", "a", 9)).toMatchObject({ remaining: 4 });
  });

  it("has room again in the next minute", async () => {
    const limiter = limiterOf(1);
    limiter.hit("credential", "a", 1);
    limiter.moveOn(60_000);
    await limiter.sync();
    for (const exceeded of [false, true])
      expect(limiter.hit("credential", "b", 1)).toMatchObject({ exceeded });
  });
});

import { expect, it } from "vitest";
import { createExpiringMap } from "./expiring-map.ts";
import { createPool } from "./pool.ts";

it("forgets entries after their time, and the oldest beyond its limit", () => {
  let time = 0;
  const evicted: number[] = [];
  const map = createExpiringMap<number>({
    limit: 2,
    ttl: 10,
    now: () => time,
    onEvict: (value) => evicted.push(value),
  });
  map.set("a", 1);
  map.set("b", 2);
  map.set("c", 3);
  expect([map.get("a"), map.get("b"), map.get("c")]).toEqual([undefined, 2, 3]);
  time = 10;
  expect(map.get("b")).toBeUndefined();
  map.set("d", 4);
  expect(map.size).toBe(1);
  expect(evicted).toEqual([1, 2, 3]);
});

it("gives each pooled value once, the oldest first", () => {
  const pool = createPool<string>({ limit: 10, ttl: 10, now: () => 0 });
  pool.put("x", "first");
  pool.put("x", "second");
  expect([pool.take("x"), pool.take("x"), pool.take("x"), pool.take("y")]).toEqual([
    "first",
    "second",
    undefined,
    undefined,
  ]);
});

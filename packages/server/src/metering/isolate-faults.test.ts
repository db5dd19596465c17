import { describe, expect, it } from "vitest";
import { isolateFaults } from "./isolate-faults.ts";

const refusal = () => Object.assign(new Error("check violation"), { code: "23514" });
const explain = (_: unknown, item: number) => new Error(`refused ${item}`);

describe("isolating faults", () => {
  it("keeps what shares a commit with what is refused, in order", async () => {
    const runs: number[] = [];
    const outcomes = await isolateFaults(
      [1, 2, 3, 4, 5, 6, 7, 8],
      async (items) => {
        runs.push(items.length);
        if (items.includes(3)) throw refusal();
        return items.map((item) => item * 10);
      },
      explain,
    );
    expect(outcomes).toEqual([10, 20, new Error("refused 3"), 40, 50, 60, 70, 80]);
    expect(runs.length).toBeLessThanOrEqual(7);
  });

  it("passes on what is no refusal of the database's", async () => {
    const fault = new Error("the network is away");
    await expect(isolateFaults([1, 2], () => Promise.reject(fault), explain)).rejects.toBe(fault);
  });

  it("does nothing for nothing", async () => {
    expect(await isolateFaults([], async () => [], explain)).toEqual([]);
  });
});

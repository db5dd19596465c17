import { describe, expect, it } from "vitest";
import { ApiError } from "../http/api-error.ts";
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

  it.each(["55P03", "57014", "40001", "53100", "25006", "57P01", "42703", "EPIPE"])(
    "takes nothing apart for %s, which is no item's own",
    async (code) => {
      const runs: number[] = [];
      const fault = Object.assign(new Error("not now"), { code });
      const run = (items: readonly number[]) => {
        runs.push(items.length);
        return Promise.reject(fault);
      };
      await expect(isolateFaults([1, 2, 3, 4, 5, 6, 7, 8], run, explain)).rejects.toBe(fault);
      expect(runs).toEqual([8]);
    },
  );

  it("ends with the first fault that is no item's own, and keeps what is done", async () => {
    const runs: (readonly number[])[] = [];
    const fault = Object.assign(new Error("not now"), { code: "55P03" });
    const outcomes = await isolateFaults(
      [1, 2, 3, 4, 5, 6, 7, 8],
      async (items) => {
        runs.push(items);
        if (items.includes(1)) throw refusal();
        if (items.includes(3)) throw fault;
        return items.map((item) => item * 10);
      },
      explain,
    );
    expect(outcomes).toEqual([new Error("refused 1"), 20, fault, fault, fault, fault, fault, fault]);
    expect(runs.at(-1)).toEqual([3, 4]);
  });

  it("finds the item that a rule refuses for all of them", async () => {
    const refused = new ApiError("UNPROCESSABLE", "too much");
    const outcomes = await isolateFaults(
      [1, 2],
      async (items) => {
        if (items.includes(2)) throw refused;
        return [...items];
      },
      (error) => (error instanceof Error ? error : new Error(String(error))),
    );
    expect(outcomes).toEqual([1, refused]);
  });

  it("does nothing for nothing", async () => {
    expect(await isolateFaults([], async () => [], explain)).toEqual([]);
  });
});

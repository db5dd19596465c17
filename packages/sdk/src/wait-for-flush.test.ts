import { describe, expect, it, onTestFinished, vi } from "vitest";
import { AbortError, TimeoutError } from "./errors.ts";
import { type FlushProgress, type FlushTotal, waitForFlush } from "./wait-for-flush.ts";

const total = (quantity: number, meterName = "api_calls"): FlushTotal => ({
  meterName,
  quantity,
  eventCount: quantity,
});
const fast = { interval: 5, quietFor: 40, limit: 20_000 };

describe("waitForFlush", () => {
  it("returns at once where there is nothing to wait for", async () => {
    let readings = 0;
    await waitForFlush(fast, undefined, async () => {
      readings++;
      return "flushed";
    });
    expect(readings).toBe(1);
  });

  it("returns when the totals have stood still, and not before the last change has", async () => {
    const progress: FlushProgress[] = [];
    let readings = 0;
    await waitForFlush({ ...fast, onProgress: (now) => progress.push(now) }, undefined, async () => [
      total(Math.min(++readings, 4)),
    ]);
    const last = progress.at(-1);
    expect(last?.totals).toEqual([total(4)]);
    expect(last?.quietFor).toBeGreaterThanOrEqual(40);
    expect(progress.slice(0, 4).map(({ quietFor }) => quietFor)).toEqual([0, 0, 0, 0]);
    expect(progress.slice(0, -1).every(({ quietFor }) => quietFor < 40)).toBe(true);
  });

  it("reads every 5 s, until a flush lies within 65 s, where no times are named", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const elapsed: number[] = [];
    const onProgress = (now: FlushProgress) => void elapsed.push(now.elapsed);
    const waiting = waitForFlush({ onProgress }, undefined, async () => [total(1)]);
    await vi.advanceTimersByTimeAsync(64_999);
    expect(elapsed).toHaveLength(13);
    await vi.advanceTimersByTimeAsync(1);
    await waiting;
    expect(elapsed).toEqual(Array.from({ length: 14 }, (_, index) => index * 5_000));
  });

  it("does not take another order of the same totals for a change", async () => {
    let readings = 0;
    const progress: FlushProgress[] = [];
    await waitForFlush({ ...fast, onProgress: (now) => progress.push(now) }, undefined, async () =>
      ++readings % 2 ? [total(1, "a"), total(2, "b")] : [total(2, "b"), total(1, "a")],
    );
    expect(progress.at(-1)?.quietFor).toBeGreaterThanOrEqual(40);
  });

  it("gives up at its limit where usage never stops", async () => {
    let readings = 0;
    const waiting = waitForFlush({ ...fast, limit: 60 }, undefined, async () => [total(readings++)]);
    await expect(waiting).rejects.toThrow(TimeoutError);
    await expect(waiting).rejects.toThrow(/did not stand still .* was not closed/);
    expect(readings).toBeGreaterThan(1);
  });

  it("ends with its signal, in the middle of a wait", async () => {
    const controller = new AbortController();
    const waiting = waitForFlush({ interval: 60_000, quietFor: 60_000 }, controller.signal, async () => {
      setTimeout(() => controller.abort(), 5);
      return [];
    });
    await expect(waiting).rejects.toThrow(AbortError);
  });

  it("passes on what reading throws", async () => {
    await expect(waitForFlush(fast, undefined, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  });

  it.each([
    { interval: 0 },
    { interval: 50, quietFor: 10 },
    { quietFor: 50, limit: 50 },
    { interval: Number.NaN },
  ])("refuses %j, which could not end well", async (options) => {
    const waiting = waitForFlush({ ...fast, ...options }, undefined, async () => "flushed");
    await expect(waiting).rejects.toThrow(/waitForFlush must have/);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { withResolvers } from "../util/with-resolvers.ts";
import { createInFlight } from "./in-flight.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Work that goes on until it is told to end. */
function work() {
  const { promise, resolve } = withResolvers<string>();
  return { run: () => promise, end: () => resolve("done") };
}

/** Remembers whether something has come. */
function watch(coming: Promise<unknown>) {
  const state = { isOver: false };
  void coming.then(() => (state.isOver = true));
  return state;
}

it("passes on what work returns and what it throws", async () => {
  const inFlight = createInFlight();
  const error = new Error("failed");
  expect(await inFlight.run(async () => "done")).toBe("done");
  await expect(inFlight.run(() => Promise.reject(error))).rejects.toBe(error);
});

describe("the end of work in flight", () => {
  it("is at once where there is none, and where all has ended", async () => {
    const inFlight = createInFlight();
    await inFlight.end(1_000);
    await inFlight.run(async () => "done");
    await inFlight.run(() => Promise.reject(new Error("failed"))).catch(() => undefined);
    await inFlight.end(1_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("comes with the last of it, and is told to everyone who waits", async () => {
    const inFlight = createInFlight();
    const [first, last] = [work(), work()];
    const running = [inFlight.run(first.run), inFlight.run(last.run)];
    const ends = [watch(inFlight.end(1_000)), watch(inFlight.end(2_000))];
    first.end();
    await vi.advanceTimersByTimeAsync(500);
    expect(ends.map(({ isOver }) => isOver)).toEqual([false, false]);
    last.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(ends.map(({ isOver }) => isOver)).toEqual([true, true]);
    expect(await Promise.all(running)).toEqual(["done", "done"]);
    // Nothing keeps the process running.
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is not waited for any longer than was asked", async () => {
    const inFlight = createInFlight();
    const going = work();
    void inFlight.run(going.run);
    const end = watch(inFlight.end(1_000));
    await vi.advanceTimersByTimeAsync(999);
    expect(end.isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(end.isOver).toBe(true);
  });

  it("is waited for where the time is longer than a timer takes", async () => {
    const inFlight = createInFlight();
    const going = work();
    void inFlight.run(going.run);
    const end = watch(inFlight.end(Number.MAX_SAFE_INTEGER));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(end.isOver).toBe(false);
    going.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(end.isOver).toBe(true);
  });
});

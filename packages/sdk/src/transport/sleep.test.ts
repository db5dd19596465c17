import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AbortError } from "../errors.ts";
import { sleep } from "./sleep.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a wait", () => {
  it("that is aborted leaves no timer behind, which would keep a finished program alive", async () => {
    const controller = new AbortController();
    const waiting = sleep(60_000, controller.signal);
    expect(vi.getTimerCount()).toBe(1);
    controller.abort("enough");
    await expect(waiting).rejects.toThrow(AbortError);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not begin under a signal that has fired", async () => {
    await expect(sleep(60_000, AbortSignal.abort())).rejects.toThrow(AbortError);
    expect(vi.getTimerCount()).toBe(0);
  });
});

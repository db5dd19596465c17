import { describe, expect, it } from "vitest";
import { isRetryable, parseRetryAfter, retryDelay } from "./retry.ts";

describe("isRetryable", () => {
  it.each([408, 425, 429, 500, 502, 503, 504])("says that %i may pass", (status) => {
    expect(isRetryable(status, undefined)).toBe(true);
  });

  it.each([301, 400, 401, 402, 403, 404, 405, 413, 415, 422])("says that %i stays as it is", (status) => {
    expect(isRetryable(status, 1)).toBe(false);
  });

  it("retries a conflict only where the server says when to come back", () => {
    expect(isRetryable(409, undefined)).toBe(false);
    expect(isRetryable(409, 0)).toBe(true);
  });
});

describe("retryDelay", () => {
  it("doubles the span with each try, up to eight seconds", () => {
    const longest = [0, 1, 2, 3, 4, 5, 20].map((attempt) => retryDelay(attempt, undefined, () => 1));
    expect(longest).toEqual([500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  });

  it("draws from the whole span, from nothing on", () => {
    expect(retryDelay(3, undefined, () => 0)).toBe(0);
    expect(retryDelay(3, undefined, () => 0.25)).toBe(1_000);
  });

  it("waits what the server asks for in full, with jitter on top", () => {
    expect(retryDelay(0, 7, () => 0)).toBe(7_000);
    expect(retryDelay(0, 7, () => 1)).toBe(7_500);
  });
});

describe("parseRetryAfter", () => {
  const now = Date.parse("2026-11-23T12:00:00Z");

  it("reads seconds", () => {
    expect(parseRetryAfter("12", undefined, now)).toBe(12);
    expect(parseRetryAfter(" 0 ", undefined, now)).toBe(0);
  });

  it("reads a date, against the server's clock where it tells it", () => {
    const date = "Mon, 23 Nov 2026 12:00:30 GMT";
    expect(parseRetryAfter(date, undefined, now)).toBe(30);
    expect(parseRetryAfter(date, "Mon, 23 Nov 2026 12:00:25 GMT", now)).toBe(5);
    expect(parseRetryAfter(date, "nonsense", now)).toBe(30);
  });

  it("takes a date in the past as now", () => {
    expect(parseRetryAfter("Mon, 23 Nov 2026 11:00:00 GMT", undefined, now)).toBe(0);
  });

  it.each([undefined, "", "soon", "-1", "NaN", "Infinity", "Someday"])("ignores %j", (value) => {
    expect(parseRetryAfter(value, undefined, now)).toBeUndefined();
  });
});

import { describe, expect, it } from "vitest";
import { collect, duration, keyValue, moment, wholeNumber } from "./parse.ts";

describe("duration", () => {
  it.each([
    ["90", 90],
    ["90s", 90],
    ["15m", 900],
    ["1h", 3_600],
    ["30d", 2_592_000],
  ])("reads %s as %d seconds", (text, seconds) => expect(duration(text)).toBe(seconds));

  it.each(["", "0", "-1", "1.5h", "1w", "h"])("refuses %j", (text) =>
    expect(() => duration(text)).toThrow("15m, 1h or 30d"),
  );
});

describe("wholeNumber", () => {
  it("reads what lies within its bounds", () => expect(wholeNumber(0, 10)("10")).toBe(10));
  it.each(["11", "-1", "1e1", "", "9007199254740993"])("refuses %j", (text) =>
    expect(() => wholeNumber(0, 10)(text)).toThrow("from 0 to 10"),
  );
});

it("collects key=value pairs, and lets a value have a = of its own", () => {
  expect(keyValue("b=x=y", keyValue("a=1", undefined))).toEqual({ a: "1", b: "x=y" });
  expect(() => keyValue("=x", undefined)).toThrow("key=value");
});

it("collects options that are given several times", () => {
  expect(collect("b", collect("a", undefined))).toEqual(["a", "b"]);
});

it("reads moments in ISO 8601 alone", () => {
  expect(moment("2026-12-01")).toBe("2026-12-01T00:00:00.000Z");
  expect(() => moment("tomorrow")).toThrow("ISO 8601");
  expect(() => moment("2026-13-45")).toThrow("ISO 8601");
});

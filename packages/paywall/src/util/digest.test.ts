import fc from "fast-check";
import { expect, it } from "vitest";
import { canonicalJson, digest } from "./digest.ts";

it("does not depend on the order of members", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const reversed = Object.fromEntries(Object.entries(value).reverse());
      expect(canonicalJson(reversed)).toBe(canonicalJson(value));
    }),
  );
});

it("tells lists of parts apart that read the same", () => {
  expect(digest("a", "bc")).not.toBe(digest("ab", "c"));
  expect(digest(undefined)).not.toBe(digest("undefined"));
  expect(digest(1n)).not.toBe(digest(1));
});

it("tells maps and sets apart by what is in them", () => {
  const values = [
    { of: new Set([1]) },
    { of: new Set([1, 2]) },
    { of: new Map([[1, 2]]) },
    { of: new Map([[1, { b: 1, a: new Set(["x"]) }]]) },
    { of: {} },
    { of: [1] },
  ];
  expect(new Set(values.map((value) => digest(value))).size).toBe(values.length);
});

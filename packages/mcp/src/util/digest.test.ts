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

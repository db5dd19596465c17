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

it("writes what JSON can as JSON", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
  const values = [new Date(0), { a: undefined, b: () => 1 }, [undefined, () => 1, Number.NaN], "ü\u2028", -0];
  for (const value of values) expect(canonicalJson(value)).toBe(JSON.stringify(value));
  expect(canonicalJson({ b: { d: 1, c: [] }, a: null })).toBe('{"a":null,"b":{"c":[],"d":1}}');
});

it("takes values of any depth, and those that are inside of themselves", () => {
  const nested = (depth: number, value: unknown) => {
    let outer = value;
    for (let level = 0; level < depth; level++) outer = level % 2 === 0 ? [outer] : { outer };
    return outer;
  };
  expect(digest(nested(100_000, 1))).toBe(digest(nested(100_000, 1)));
  expect(digest(nested(100_000, 1))).not.toBe(digest(nested(100_000, 2)));
  const circular: Record<string, unknown> = { n: 1 };
  circular["self"] = [circular];
  expect(canonicalJson(circular)).toBe('{"n":1,"self":["circular"]}');
  const twice = { n: 1 };
  expect(canonicalJson([twice, twice])).toBe('[{"n":1},{"n":1}]');
});

it("tells sets of lists from sets of what is in the lists", () => {
  expect(digest(new Set([[1], [2]]))).not.toBe(digest(new Set([1, 2])));
});

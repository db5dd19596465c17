import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digest, fingerprint } from "./digest.ts";

/** Values of which no two may digest equally. */
const DIFFERENT: Readonly<Record<string, () => readonly unknown[]>> = {
  "primitives and their texts": () => [
    ...[0, -0, 1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, "NaN", "-0", "1"],
    ...[1n, "1n", "bigint:1", true, "true", null, "null", undefined, "undefined", "", "!undefined"],
  ],
  "what is missing, undefined and null": () => [{}, { a: undefined }, { a: null }, [], [undefined], [null]],
  holes: () => [[undefined, 1], new Array(1).concat([1]), Object.assign([1], { a: 1 }), [1]],
  symbols: () => [Symbol.for("a"), Symbol.for("b"), Symbol("a"), Symbol("a"), Symbol.iterator, "a"],
  "keys that are symbols": () => [{}, { [Symbol.for("a")]: 1 }, { [Symbol.for("b")]: 1 }, { a: 1 }],
  "keys that are hidden": () => [{}, { a: 1 }, Object.defineProperty({}, "a", { value: 1 })],
  "objects without a prototype": () => [{ a: 1 }, Object.assign(Object.create(null), { a: 1 })],
  "inherited values": () => [{}, Object.create({ a: 1 }), Object.create({ a: 2 })],
  "maps and sets": () => [
    ...[new Map(), new Set(), new Map([[1, 2]]), new Set([[1, 2]]), [[1, 2]], ["Map", [1, 2]], [1, 2]],
    ...[new Set([1, 2]), new Set([2, 1]), new Set([[1], [2]]), new Map([[1, { a: new Set(["x"]) }]])],
  ],
  dates: () => [new Date(0), new Date(1), new Date(Number.NaN), new Date(0).toJSON(), 0],
  "regular expressions": () => [/a/, /b/, /a/g, Object.assign(/a/g, { lastIndex: 1 }), "/a/"],
  URLs: () => [new URL("http://a/"), new URL("http://b/"), "http://a/"],
  "search parameters": () => [
    ...[new URLSearchParams("a=1"), new URLSearchParams("a=2"), new URLSearchParams("a=1&a=2"), "a=1"],
    new URLSearchParams(),
  ],
  headers: () => [new Headers(), new Headers({ a: "1" }), new Headers({ a: "2" }), { a: "1" }],
  "form data": () => [formOf("a", "1"), formOf("a", "2"), formOf("a", new Blob(["1"])), new FormData()],
  bytes: () => [
    ...[bufferOf(1), bufferOf(2), bufferOf(1, 0), new Uint8Array([1]), new Uint8Array([2]), [1]],
    ...[new Int8Array([1]), new Uint16Array([1]), new DataView(bufferOf(1)), Buffer.from([1]), "01"],
    ...[new Float64Array([0]), new Float64Array([-0]), new BigInt64Array([0n]), new Uint8Array([1, 2, 3])],
  ],
  errors: () => [
    ...[new Error("a"), new Error("b"), new TypeError("a"), new Error("a", { cause: 1 }), "Error: a"],
    ...[
      new AggregateError([1], "a"),
      new AggregateError([2], "a"),
      Object.assign(new Error("a"), { code: 1 }),
    ],
    ...[new DOMException("a", "AbortError"), new DOMException("a", "DataError")],
  ],
  "boxed primitives": () => [Object(1), Object(-0), Object(0), Object("1"), Object(true), Object(1n), 1],
  "what is opaque": () => [
    ...[() => 1, () => 1, new WeakMap(), new WeakMap(), new Blob(["a"]), new Blob(["b"]), new Secret(1)],
    ...[
      new Secret(2),
      new Point(1),
      new Point(1),
      new ReadableStream(),
      Promise.resolve(1),
      Promise.resolve(1),
    ],
    ...[new Request("http://a"), new Request("http://b"), new SharedArrayBuffer(1), [1].values()],
    ...[Object.create(Map.prototype), Object.create(URL.prototype), new (class extends Map {})()],
  ],
  "what says its own JSON": () => [{ toJSON: () => 1 }, { toJSON: () => 1 }, 1],
  circles: () => {
    const [toOuter, toInner, inner]: [unknown[], unknown[], unknown[]] = [[], [], []];
    toOuter.push([toOuter]);
    inner.push(inner);
    toInner.push(inner);
    return [toOuter, toInner, [["circular"]], [[]]];
  },
};

class Secret {
  readonly #value: number;
  constructor(value: number) {
    this.#value = value;
  }
  get value() {
    return this.#value;
  }
}

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}

const bufferOf = (...bytes: number[]) => new Uint8Array(bytes).buffer;

function formOf(name: string, value: string | Blob) {
  const form = new FormData();
  form.append(name, value);
  return form;
}

describe("a digest", () => {
  it.each(Object.keys(DIFFERENT))("tells apart %s", (name) => {
    const values = DIFFERENT[name]?.() ?? [];
    expect(new Set(values.map((value) => digest(value))).size).toBe(values.length);
    expect(new Set(values.map((value) => digest({ of: [value] }))).size).toBe(values.length);
    for (const value of values) expect(digest(value)).toBe(digest(value));
  });

  it("is the same for equal values that are made anew", () => {
    const opaque = ["symbols", "form data", "inherited values", "what is opaque", "what says its own JSON"];
    for (const [name, make] of Object.entries(DIFFERENT)) {
      if (opaque.includes(name)) continue;
      const [first, second] = [make(), make()].map((values) => values.map((value) => digest(value)));
      expect(second, name).toEqual(first);
    }
  });

  it("tells any two values apart that are not deeply equal", () => {
    const anything = fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
      key: fc.constantFrom("a", "b", "__proto__", "toJSON", "!a"),
    });
    fc.assert(
      fc.property(anything, anything, (first, second) => {
        if (digest(first) === digest(second)) expect(isDeepStrictEqual(first, second)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is the same for a copy of any value that can be told from others", () => {
    const anything = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true });
    fc.assert(
      fc.property(anything, (value) => {
        expect(digest(structuredClone(value))).toBe(digest(value));
      }),
    );
  });

  it("does not depend on the order of properties", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const entries = Object.entries(value).reverse();
        const reversed = Object.setPrototypeOf(Object.fromEntries(entries), Object.getPrototypeOf(value));
        expect(digest(reversed)).toBe(digest(value));
      }),
    );
  });

  it("tells lists of parts apart that read the same", () => {
    expect(digest("a", "bc")).not.toBe(digest("ab", "c"));
    expect(digest(undefined)).not.toBe(digest());
  });

  it("takes values of any depth, and those that are inside of themselves", () => {
    const nested = (depth: number, value: unknown) => {
      let outer = value;
      for (let level = 0; level < depth; level++) outer = level % 2 === 0 ? [outer] : { outer };
      return outer;
    };
    expect(digest(nested(100_000, 1))).toBe(digest(nested(100_000, 1)));
    expect(digest(nested(100_000, 1))).not.toBe(digest(nested(100_000, 2)));
    const circular = () => {
      const value: Record<string, unknown> = { n: 1 };
      value["self"] = [value, new Map([[value, value]])];
      return value;
    };
    expect(digest(circular())).toBe(digest(circular()));
    const twice = { n: 1 };
    expect(digest([twice, twice])).toBe(digest([{ n: 1 }, { n: 1 }]));
  });
});

describe("a fingerprint", () => {
  it("is the digest alone where everything can be told from others", () => {
    expect(fingerprint({ a: [1, new Date(0)] })).toEqual({ digest: digest({ a: [1, new Date(0)] }) });
  });

  it("names what is opaque for this process alone, beside a digest that is the same in all of them", () => {
    const [first, second] = [new Secret(1), new Secret(2)];
    const [one, other] = [fingerprint({ of: first }), fingerprint({ of: second })];
    expect(other.digest).toBe(one.digest);
    expect(one.opaque).toEqual(expect.any(String));
    expect(other.opaque).not.toBe(one.opaque);
    expect(fingerprint({ of: first })).toEqual(one);
    expect(fingerprint([first, second])).not.toEqual(fingerprint([second, first]));
  });
});

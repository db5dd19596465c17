import { expect, it } from "vitest";
import { quantityAt } from "./json-pointer.ts";

it("finds a number by its pointer, with the escapes of RFC 6901", () => {
  const value = { list: [{ n: 3 }], "a/b": { "~": 4 } };
  expect(quantityAt(value, "/list/0/n")).toBe(3);
  expect(quantityAt(value, "/a~1b/~0")).toBe(4);
});

it("finds nothing where nothing is, and nothing of JavaScript's own", () => {
  expect(quantityAt({}, "/pages")).toBeUndefined();
  expect(quantityAt({ text: "abc" }, "/text/length")).toBeUndefined();
  expect(quantityAt([], "/constructor/length")).toBeUndefined();
  expect(quantityAt(undefined, "/pages")).toBeUndefined();
});

it("refuses a place in another case, which some servers read as the same", () => {
  for (const value of [{ Pages: 100 }, { PAGES: 0 }])
    expect(() => quantityAt(value, "/pages")).toThrow('is written "pages"');
  expect(() => quantityAt({ Options: { n: 9 } }, "/options/n")).toThrow('is written "options"');
  expect(quantityAt({ pages: 2, other: 1 }, "/pages")).toBe(2);
});

it("refuses what is no number", () => {
  for (const pages of ["3", null, true, [3], {}])
    expect(() => quantityAt({ pages }, "/pages")).toThrow("/pages is no number");
});

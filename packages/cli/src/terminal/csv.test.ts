import { expect, it } from "vitest";
import { toCsv } from "./csv.ts";

const csv = (value: string | number | bigint | boolean | null | undefined) =>
  toCsv(["a"], [{ a: value }]).slice("a\r\n".length, -"\r\n".length);

it("has a header and a line for each row, in the order of the columns", () => {
  expect(
    toCsv(
      ["b", "a"],
      [
        { a: 1, b: "x" },
        { a: 2n, b: null },
      ],
    ),
  ).toBe("b,a\r\nx,1\r\n,2\r\n");
  expect(toCsv(["a"], [])).toBe("a\r\n");
});

it.each([
  ["plain", "plain"],
  ['say "hi"', '"say ""hi"""'],
  ["a,b", '"a,b"'],
  ["two\nlines", '"two\nlines"'],
  ["two\r\nlines", '"two\r\nlines"'],
  ["Käse 日本", "Käse 日本"],
  [undefined, ""],
  [null, ""],
  ["", ""],
  [true, "true"],
])("writes %j as %j", (value, written) => {
  expect(csv(value)).toBe(written);
});

it.each([
  ["=1+1", "'=1+1"],
  ['=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'],
  ["+1+1", "'+1+1"],
  ["-1+1", "'-1+1"],
  ["@SUM(A1)", "'@SUM(A1)"],
  ["\t=1", "'\t'=1"],
  ["\r=1", '"\'\r=1"'],
  ["-", "'-"],
  ["\n=1", '"\'\n=1"'],
  // As a spreadsheet reads it whose language separates cells by semicolons.
  ["a;=1+1", "a;'=1+1"],
  ['a;"=1+1"', '"a;""\'=1+1"""'],
  ["a;b;@SUM(A1);-2", "a;b;'@SUM(A1);'-2"],
  ["a\t=1+1", "a\t'=1+1"],
  ["a\t-1", "a\t'-1"],
])("keeps a spreadsheet from running %j", (value, written) => {
  expect(csv(value)).toBe(written);
});

it.each(["-5.00", "+49", "12.50"])("leaves the number %j as it is", (value) => {
  expect(csv(value)).toBe(value);
});

it("writes a sum that no number holds to its last unit", () => {
  expect(csv(18_014_398_509_481_983n)).toBe("18014398509481983");
});

it("leaves an apostrophe and a formula's sign within a text alone", () => {
  expect(csv("a=b")).toBe("a=b");
  expect(csv("'a")).toBe("'a");
});

import { expect, it } from "vitest";
import { withResult } from "./changed-text.ts";

/** A message whose numbers, escapes and spaces no parser keeps. */
const TEXT =
  '{"jsonrpc":"2.0", "id":7,"extra":1e400,"result":{"tools":[ {"name":"a","big":12345678901234567890,"t":"\\u00e9"},\n{"name":"b","one":1.0} ],"later":{"x":1.50}},"z":1.0}';
const before = JSON.parse(TEXT).result;

it("keeps all that is unchanged as it was written", () => {
  const [a, b] = before.tools;
  const after = { ...before, tools: [{ ...a, _meta: { price: 1 } }, b] };
  expect(withResult(TEXT, before, after)).toBe(
    '{"jsonrpc":"2.0", "id":7,"extra":1e400,"result":{"tools":[{"name":"a","big":12345678901234567890,"t":"\\u00e9","_meta":{"price":1}},{"name":"b","one":1.0}],"later":{"x":1.50}},"z":1.0}',
  );
});

it("leaves out what is left out, and takes the right one of what stays", () => {
  const after = { ...before, tools: [before.tools[1]] };
  expect(withResult(TEXT, before, after)).toContain('"result":{"tools":[{"name":"b","one":1.0}],"later"');
});

it("writes what is new", () => {
  expect(withResult('{"id":1,"result":[1,2]}', [1, 2], { a: undefined, b: "é" })).toBe(
    '{"id":1,"result":{"b":"é"}}',
  );
});

it("takes the last of several properties with one name, as the parser does", () => {
  const text = '{"result":{"a":{"n":1},"a":{"n":2.0}}}';
  const { result } = JSON.parse(text);
  expect(withResult(text, result, { ...result, b: 1 })).toBe('{"result":{"a":{"n":2.0},"b":1}}');
});

import { describe, expect, it } from "vitest";
import { elementsOf, findAmbiguousKey, membersOf, replaceAt } from "./json-spans.ts";

describe("spans", () => {
  const text = ' { "a\\"b" : [1, {"id": 2}] , "id":\t1.0e0 ,"s":"}\\\\\\"," , "t":true }';

  it("are those of the values as they are written", () => {
    expect(membersOf(text).map(({ key, start, end }) => [key, text.slice(start, end)])).toEqual([
      ['a"b', '[1, {"id": 2}]'],
      ["id", "1.0e0"],
      ["s", '"}\\\\\\","'],
      ["t", "true"],
    ]);
    expect(elementsOf(' [ {"a":1} ,2, "x" ] ').map(({ start, end }) => [start, end])).toEqual([
      [3, 10],
      [12, 13],
      [15, 18],
    ]);
    expect(elementsOf("[]")).toEqual([]);
    expect(membersOf("[]")).toEqual([]);
  });

  it("are replaced and nothing else is", () => {
    expect(replaceAt(text, ["id"], "7")).toBe(text.replace("1.0e0", "7"));
    expect(replaceAt('{"a":{"b":{"c":1}}}', ["a", "b", "c"], '"x"')).toBe('{"a":{"b":{"c":"x"}}}');
    expect(replaceAt(text, ["none"], "7")).toBe(text);
  });

  it("are found in a text that is nested deeper than the stack", () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    expect(replaceAt(`{"deep":${deep},"id":1}`, ["id"], "2")).toBe(`{"deep":${deep},"id":2}`);
    expect(findAmbiguousKey(`{"deep":${deep},"id":1}`)).toBeUndefined();
  });
});

describe("keys that two readers may take for different ones", () => {
  it.each([
    ['{"method":"ping","method":"tools/call"}', "method"],
    ['{"method":"ping","Method":"tools/call"}', "Method"],
    ['{"method":"ping","\\u006dethod":"tools/call"}', "method"],
    ['{"params":{},"param\u017f":{"name":"x"}}', "param\u017f"],
    ['{"params":{"arguments":{"pages":1,"PAGES":1000}}}', "PAGES"],
    ['{"a":{"b":{"c":[{"d":{"e":1,"e":2}}]}}}', "e"],
  ])("are found in %s", (text, key) => {
    expect(findAmbiguousKey(text)).toBe(key);
  });

  it.each([
    '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}',
    '{"params":{"arguments":{"deep":{"a":1,"A":2}}}}',
    '{"a":"b","b":"a","c":["a","a","c"]}',
  ])("are not seen in %s", (text) => {
    expect(findAmbiguousKey(text)).toBeUndefined();
  });
});

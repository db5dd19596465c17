import { expect, it } from "vitest";
import { GateConfigError, parseConfig } from "./parse-config.ts";

/** What is said of a text that is wrong. */
function problemsIn(text: string): string {
  try {
    parseConfig(text, "gate.json");
  } catch (error) {
    if (error instanceof GateConfigError) return error.message;
    throw error;
  }
  return "nothing";
}

it("reads what the file says, with comments and commas at the end", () => {
  const text = `{
    // The prices.
    "tools": { "forecast": { "meterName": "api_calls", "quantity": 2 }, "ping": "free", "admin": "hidden", },
  }`;
  expect(parseConfig(text, "gate.json")).toEqual({
    tools: { forecast: { meterName: "api_calls", quantity: 2 }, ping: "free", admin: "hidden" },
  });
});

it.each([
  ["no JSON", '{\n  "tools": {\n    "a": \n  }\n}', /^gate\.json:4:3: This is not JSON/],
  ["nothing at all", "", /^gate\.json:1:1: /],
  ["an option that there is none of", '{\n  "tool": {}\n}', 'gate.json:2:3: There is no option "tool".'],
  [
    "a price that there is none of",
    '{ "tools": {\n  "a": { "meter": "x" } } }',
    'gate.json:2:10: There is no option "tools.a.meter".',
  ],
  [
    "a name that would be lost",
    '{ "tools": {\n  "__proto__": "free" } }',
    'gate.json:2:3: "__proto__" cannot be a name here.',
  ],
  ["a word that there is none of", '{ "tools": { "a":\n "fre" } }', /^gate\.json:1:14: tools\.a: /],
  [
    "a meter that can be none",
    '{ "tools": {\n "a": {\n  "meterName": "API calls" } } }',
    /^gate\.json:3:3: tools\.a\.meterName: It is 1 to 64/,
  ],
  [
    "a pointer that is none",
    '{ "tools": { "a": { "meterName": "m",\n "quantity": { "argument": "pages" } } } }',
    /^gate\.json:2:16: tools\.a\.quantity\.argument: It is a JSON pointer/,
  ],
  [
    "a quantity of nothing",
    '{ "tools": { "a": {\n "quantity": 2 } } }',
    "gate.json:2:2: tools.a.quantity: A quantity needs a meterName to be counted on.",
  ],
  [
    "what is known too late",
    '{ "default": { "meterName": "m",\n "charge": "call", "resultQuantity": "/n" } }',
    /^gate\.json:2:2: default\.charge: The resultQuantity is known only after the call/,
  ],
  [
    "a name that is there twice",
    '{ "tools": {\n "a": "free",\n "a": {} } }',
    'gate.json:3:2: "a" is here twice.',
  ],
  ["an upstream that is neither", '{\n "upstream": { "comand": "uvx" } }', /^gate\.json:2:\d+: /],
  ["a list", "[]", /^gate\.json:1:1: /],
])("says the line and the column of %s", (_, text, problem) => {
  expect(problemsIn(text)).toMatch(problem);
});

it("says all that is wrong, each in a line", () => {
  const lines = problemsIn('{ "port": 70000,\n "host": 1 }').split("\n");
  expect(lines).toEqual([
    expect.stringMatching(/^gate\.json:(1|2):\d+: (port|host): /),
    expect.stringMatching(/^gate\.json:(1|2):\d+: (port|host): /),
  ]);
});

import { expect, it } from "vitest";
import { expandVariables } from "./expand-variables.ts";

const url = "https://internal.example.com/mcp";

it("puts variables in the place of their names", () => {
  const headers = { authorization: `Bearer \${KEY}` };
  expect(expandVariables({ url, headers }, { KEY: "k" })).toEqual({
    url,
    headers: { authorization: "Bearer k" },
  });
});

it("says which header cannot be sent, and nothing of its value", () => {
  const expand = () =>
    expandVariables({ url, headers: { authorization: `Bearer \${KEY}` } }, { KEY: "sesame\n" });
  expect(expand).toThrow(/^upstream\.headers\.authorization: its value has a character/);
  expect(expand).not.toThrow(/sesame/);
});

import { readFileSync } from "node:fs";
import { type RefusalCode, refuse, STATUS } from "@licentric/paywall/adapter";
import { describe, expect, it } from "vitest";
import { RefusedRequestError } from "./refusal-result.ts";

const isCode = (code: string): code is RefusalCode => code in STATUS;
const refusals = Object.keys(STATUS)
  .filter(isCode)
  .map((code) => refuse(code));

describe("a refusal as a JSON-RPC error", () => {
  // MCP Inspector signs in where an error's message has "401" or "Unauthorized" in it, and the SDKs put the code there.
  it.each(refusals)("has a code that no client takes for an HTTP status: $code", (refusal) => {
    const error = new RefusedRequestError(refusal);
    const shown = `MCP error ${error.code}: ${error.message}`;
    expect(shown).not.toMatch(/[45]\d\d|unauthorized/i);
    expect(error.data).toEqual(refusal);
  });

  it("has a code of its own for each reason, outside of what JSON-RPC reserves", () => {
    const codes = refusals.map((refusal) => new RefusedRequestError(refusal).code);
    expect(new Set(codes).size).toBe(refusals.length);
    for (const code of codes) expect(Number.isInteger(code) && (code < -32_768 || code > -32_000)).toBe(true);
  });
});

it.each(["../../README.md", "../../../../docs/guides/refusals.md"])(
  "is documented in %s as it is",
  (file) => {
    const rows = readFileSync(new URL(file, import.meta.url), "utf8").matchAll(
      /^\| `(\w+)` +\| +(\d+) +\| +(\d+) +\|/gm,
    );
    const documented = [...rows].map(([, code, status, errorCode]) => [
      code,
      Number(status),
      Number(errorCode),
    ]);
    expect(documented).toEqual(
      refusals.map((refusal) => [refusal.code, refusal.status, new RefusedRequestError(refusal).code]),
    );
  },
);

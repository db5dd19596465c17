import { McpServer } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import { createTestPaywall } from "../src/testing.ts";
import { text } from "./connect.ts";

// What a program in JavaScript can write: each is told at construction, in a sentence.

const handler = async () => text("ran");
const options = { meterName: "api_calls" };

/** Calls a method as JavaScript does, without types. */
function call(method: string, ...params: readonly unknown[]): unknown {
  const paywall = createTestPaywall();
  return Reflect.apply(Reflect.get(paywall, method), paywall, params);
}

describe.each(["tool", "prompt", "resource", "route"])("paywall.%s", (method) => {
  it.each([
    ["nothing", []],
    ["options alone", [options]],
    ["a handler alone", [handler]],
    ["the handler first", [handler, options]],
    ["options that are a meter's name", ["api_calls", handler]],
    ["options that are null", [null, handler]],
    ["options that are a list", [[], handler]],
    ["a handler that is none", [options, {}]],
  ])("with %s says what it takes", (_, params) => {
    const expected = `paywall.${method} takes its options first and then the handler: paywall.${method}({ meterName: "api_calls" }, handler)`;
    expect(() => call(method, ...params)).toThrow(new TypeError(expected));
  });
});

describe("paywall.middleware", () => {
  it.each([[undefined], [null], ["api_calls"], [handler], [true]])("with %o says what it takes", (given) => {
    expect(() => call("middleware", given)).toThrow(/^paywall\.middleware: options are an object/);
  });
});

describe("verification.cacheSize", () => {
  it.each([0, -1, 1.5, Number.NaN, 10_000_001, "10"])("of %o says what it is", (cacheSize) => {
    const given = { verification: { cacheSize } } as { verification: { cacheSize: number } };
    expect(() => createTestPaywall(given)).toThrow(
      /^createPaywall: verification\.cacheSize is a whole number of tokens from 1 to 10,000,000/,
    );
  });

  it("is the number of tokens that are remembered", async () => {
    let token: string | undefined;
    const paywall = createTestPaywall({
      token: () => token,
      verification: { cacheTtl: 60_000, cacheSize: 2 },
    });
    const sources: string[] = [];
    paywall.on("verified", ({ source }) => sources.push(source));
    const free = paywall.tool({ name: "t" }, async (_: object) => text("ran"));
    const tokens = ["one", "two", "three"].map((agentId) => paywall.authorize(agentId));
    for (token of [...tokens.slice(0, 2), ...tokens.slice(0, 2), ...tokens])
      await free({ signal: new AbortController().signal });
    expect(sources).toEqual(["api", "api", "cache", "cache", "cache", "cache", "api"]);
  });
});

describe("paywall.charge", () => {
  const called = { token: undefined, name: "report" };
  it.each([
    ["no call", [undefined, options, handler], /a call needs a name/],
    ["no options", [called, undefined, handler], /options are an object/],
    ["no function", [called, options], /takes the function that runs/],
  ])("with %s says what it takes", async (_, params, sentence) => {
    await expect(call("charge", ...params)).rejects.toThrow(sentence);
  });
});

describe("paywall.protect", () => {
  const server = () => new McpServer({ name: "server", version: "1" });

  it.each([[undefined], [null], ["server"], [handler]])("of %o says what it guards", (given) => {
    expect(() => call("protect", given, {})).toThrow(/^paywall\.protect cannot guard this server: /);
  });

  it.each([[undefined], [null], ["tools"], [true], [[]]])("with %o says what it takes", (given) => {
    expect(() => call("protect", server(), given)).toThrow(
      /^paywall\.protect: options are an object such as \{ tools: \{ forecast: \{ meterName: "api_calls" \} \} \}/,
    );
  });

  it.each([["tools"], ["prompts"], ["resources"]])("with %s that are no object says so", (name) => {
    for (const given of [null, [], "forecast", true])
      expect(() => call("protect", server(), { [name]: given })).toThrow(
        `paywall.protect: ${name} is an object of names with their options`,
      );
  });

  it.each([[undefined], [null], [true], ["api_calls"], [0], [[]]])("with the price %o says so", (given) => {
    for (const [charges, where] of [
      [{ tools: { forecast: given } }, "tools.forecast"],
      [{ default: given ?? null }, "default"],
    ] as const)
      expect(() => call("protect", server(), charges)).toThrow(
        `paywall.protect: ${where}: options are an object such as { meterName: "api_calls" }, or false for what is free`,
      );
  });
});

describe("scopes", () => {
  it.each(["größe", "读", "a\r\nb", 'a"b', "a\\b", "a b", ""])(
    "%j is no scope that a credential can have",
    (scope) => {
      const said = /scopes is a list of strings such as \["mcp:invoke"\], without spaces, quotation marks/;
      expect(() => call("tool", { ...options, scopes: [scope] }, handler)).toThrow(said);
      const resource = "https://tools.example.com/mcp";
      expect(() => call("requireBearerAuth", { resource, requiredScopes: [scope] })).toThrow(said);
    },
  );
});

import { afterEach, describe, expect, it, vi } from "vitest";
import { AuthenticationError, LicentricError } from "./errors.ts";
import { checkMilliseconds, checkRetries, resolveApiKey, resolveBaseUrl, variableFor } from "./options.ts";
import { Secret } from "./secret.ts";

const KEY = "lk_test_0123456789abcdef";

describe("the management key", () => {
  it("is the option, else the environment's", () => {
    expect(resolveApiKey(KEY, "lk_live_0123456789abcdef")).toBe(KEY);
    expect(resolveApiKey(undefined, KEY)).toBe(KEY);
  });

  it("may be the secret that keys.create answered", () => {
    expect(resolveApiKey(new Secret(KEY), undefined)).toBe(KEY);
  });

  it("is none where that is said on purpose, whatever the environment has", () => {
    expect(resolveApiKey(null, KEY)).toBeNull();
  });

  it.each([
    ["missing", undefined, undefined, /No management key: pass .*apiKey.* or set LICENTRIC_API_KEY/],
    ["empty", "", KEY, /No management key/],
    ["empty in the environment", undefined, "", /No management key/],
    ["an agent's token", "AGT-topsecrettopsecret", undefined, /apiKey is an agent's token .*lk_test_/],
    [
      "a token in the environment",
      undefined,
      "AGT-topsecrettopsecret",
      /^LICENTRIC_API_KEY is an agent's token/,
    ],
    ["a Stripe key", "sk_test_topsecrettopsecret", undefined, /apiKey is malformed/],
    ["followed by a line end", `${KEY}\n`, undefined, /malformed.*white space around/],
  ])("that is %s says so, without showing it", (_, option, environment, sentence) => {
    const resolve = () => resolveApiKey(option, environment);
    expect(resolve).toThrow(AuthenticationError);
    expect(resolve).toThrow(sentence);
    expect(resolve).not.toThrow(/topsecret|0123456789/);
  });
});

describe("the base URL", () => {
  it("is the option, else the environment's, else the hosted service", () => {
    expect(resolveBaseUrl("http://a.example", "http://b.example").href).toBe("http://a.example/");
    expect(resolveBaseUrl(undefined, "http://b.example").href).toBe("http://b.example/");
    expect(resolveBaseUrl(undefined, "").href).toBe("https://www.licentric.com/");
  });

  it("may have a path before /api/v1, with or without a slash at the end", () => {
    expect(resolveBaseUrl("https://a.example/billing/", undefined).pathname).toBe("/billing");
  });

  it.each([
    ["localhost:4000", /must begin with https/],
    ["not a url", /is not a URL/],
    ["ftp://a.example", /must begin with https/],
    ["https://user:pw@a.example", /must not contain a user name/],
    ["https://a.example?x=1", /must not have a query/],
    ["https://a.example/?", /must not have a query/],
    ["https://a.example/api/v1/", /must not end in \/api\/v1/],
  ])("%s is refused", (url, sentence) => {
    expect(() => resolveBaseUrl(url, undefined)).toThrow(LicentricError);
    expect(() => resolveBaseUrl(url, undefined)).toThrow(sentence);
    expect(() => resolveBaseUrl(undefined, url)).toThrow(/^LICENTRIC_BASE_URL/);
  });
});

describe("numbers", () => {
  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])("%d is not a valid timeout", (value) => {
    expect(() => checkMilliseconds("timeout", value)).toThrow(/^timeout must be a number of milliseconds/);
  });

  it.each([-1, 1.5, Number.NaN])("%d is not a valid number of retries", (value) => {
    expect(() => checkRetries(value)).toThrow(/^maxRetries must be a whole number/);
  });
});

describe("the environment", () => {
  afterEach(() => void vi.unstubAllGlobals());

  it.each([
    ["no process", undefined],
    ["a process without one", {}],
  ])("is empty on a runtime that has %s", (_, process) => {
    vi.stubGlobal("process", process);
    expect(variableFor(undefined, "LICENTRIC_BASE_URL")).toBeUndefined();
  });

  it("is not read for an option that is given, null among them", () => {
    const env = vi.fn();
    vi.stubGlobal("process", {
      get env() {
        return env();
      },
    });
    variableFor("https://a.example", "LICENTRIC_BASE_URL");
    variableFor(null, "LICENTRIC_API_KEY");
    expect(env).not.toHaveBeenCalled();
    env.mockReturnValue({ LICENTRIC_API_KEY: "lk_test_0123456789abcdef" });
    expect(variableFor(undefined, "LICENTRIC_API_KEY")).toBe("lk_test_0123456789abcdef");
  });
});

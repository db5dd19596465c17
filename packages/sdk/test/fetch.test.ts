import { MockAgent } from "undici";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { platform } from "#platform";
import { type Fetch, Licentric } from "../src/index.ts";
import { clientFor, errorOf, TEST_KEY, TEST_TOKEN } from "./client-for.ts";

const VERIFIED = { accountId: "acc_1", agentId: "agt_1", scopes: [] };
const success = () => Response.json({ data: VERIFIED });
const never = () => new Promise<Response>(() => {});

describe("a fetch of the user's own", () => {
  it("is what every request goes through, as a plain function", async () => {
    const receivers: unknown[] = [];
    const fetch = vi.fn<Fetch>(async function (this: unknown) {
      receivers.push(this);
      return success();
    });
    const client = clientFor("https://api.example/prefix", { fetch });
    expect(await client.mcp.verify(TEST_TOKEN, { meterName: "api_calls" })).toEqual(VERIFIED);
    await errorOf(client.agents.list({ limit: 5 }));
    expect(receivers).toEqual([undefined, undefined]);
    const [[url, init], [listUrl, listInit]] = fetch.mock.calls as [Parameters<Fetch>, Parameters<Fetch>];
    expect(url).toBe("https://api.example/prefix/api/v1/mcp/verify");
    expect(init).toMatchObject({ method: "POST", body: '{"meterName":"api_calls"}', redirect: "manual" });
    expect(new Headers(init.headers).get("authorization")).toBe(`Bearer ${TEST_TOKEN}`);
    expect(listUrl).toBe("https://api.example/prefix/api/v1/agents?limit=5");
    expect(listInit).toMatchObject({ method: "GET", body: null });
    expect(new Headers(listInit.headers).get("authorization")).toBe(`Bearer ${TEST_KEY}`);
  });

  it("is asked again after a failure, under the same key", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    onTestFinished(() => void vi.restoreAllMocks());
    const answers: Fetch[] = [
      async () => Response.json({ error: "not now" }, { status: 503 }),
      async () => {
        throw new TypeError("fetch failed");
      },
      async () => success(),
    ];
    const keys: unknown[] = [];
    const fetch: Fetch = (url, init) => {
      keys.push(new Headers(init.headers).get("idempotency-key"));
      return (answers.shift() ?? never)(url, init);
    };
    const { attempts } = await clientFor("http://api.example", { fetch })
      .mcp.verify(TEST_TOKEN)
      .withResponse();
    expect(attempts).toBe(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toEqual(expect.any(String));
  });

  it.each<[string, Fetch]>([
    ["never answers", never],
    ["never ends its body", async () => new Response(new ReadableStream())],
  ])("that %s and heeds no signal is waited for until the timeout, and no longer", async (_, fetch) => {
    const error = await errorOf(
      clientFor("http://api.example", { fetch }).mcp.verify(TEST_TOKEN, {}, { timeout: 50, maxRetries: 0 }),
    );
    expect(error).toMatchObject({ name: "TimeoutError", message: expect.stringMatching(/within 50 ms/) });
  });

  it("that heeds no signal is left when the caller's fires", async () => {
    const controller = new AbortController();
    const call = clientFor("http://api.example", { fetch: never }).mcp.verify(
      TEST_TOKEN,
      {},
      { signal: controller.signal },
    );
    controller.abort(new Error("user left"));
    expect(await errorOf(call)).toMatchObject({ name: "AbortError", cause: { message: "user left" } });
  });

  it("may answer without a body", async () => {
    const fetch: Fetch = async () => new Response(null, { status: 502 });
    const error = await errorOf(clientFor("http://api.example", { fetch, maxRetries: 0 }).account.get());
    expect(error).toMatchObject({ name: "InternalServerError", status: 502 });
  });

  it("sends nothing any more when the client is closed", async () => {
    const fetch = vi.fn<Fetch>(async () => success());
    const client = clientFor("http://api.example", { fetch });
    await client.close();
    expect(await errorOf(client.mcp.verify(TEST_TOKEN))).toMatchObject({
      message: "The client is closed: make a new one to send more requests.",
    });
    expect(fetch).not.toHaveBeenCalled();
  });
});

describe("a fault that a runtime says in words of its own", () => {
  const failing = (fault: Error) => {
    const fetch: Fetch = async () => {
      throw fault;
    };
    const warn = vi.fn();
    const logger = { debug() {}, info() {}, warn, error() {} };
    return { client: clientFor("http://api.example", { fetch, logger, maxRetries: 1 }), warn };
  };

  it.each([
    ["Bun", Object.assign(new Error("Unable to connect."), { code: "ConnectionRefused" })],
    ["Deno", new TypeError("client error (Connect): tcp connect error: Connection refused (os error 111)")],
    [
      "Node",
      new TypeError("fetch failed", { cause: Object.assign(new Error(""), { code: "ECONNREFUSED" }) }),
    ],
  ])("has Node's code and the advice: %s", async (_, fault) => {
    expect(await errorOf(failing(fault).client.mcp.verify(TEST_TOKEN))).toMatchObject({
      name: "ConnectionError",
      code: "ECONNREFUSED",
      message: expect.stringMatching(/Is the API running, and is baseUrl right\?/),
      cause: fault,
    });
  });

  it.each([
    ["Bun", Object.assign(new Error("certificate"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" })],
    ["Deno", new TypeError("client error (Connect): invalid peer certificate: UnknownIssuer")],
  ])("and stays the same on every try is not tried again: %s", async (_, fault) => {
    const { client, warn } = failing(fault);
    expect(await errorOf(client.mcp.verify(TEST_TOKEN))).toMatchObject({ name: "ConnectionError" });
    expect(warn).not.toHaveBeenCalled();
  });

  it("shows no token that it repeats from the URL", async () => {
    const { client } = failing(new TypeError(`error sending request for url (http://x/${TEST_TOKEN})`));
    expect(String(await errorOf(client.mcp.verify(TEST_TOKEN)))).not.toContain(TEST_TOKEN);
  });
});

describe("a client", () => {
  const dispatcher = new MockAgent();

  it("sends in one way", () => {
    const make = () => new Licentric({ apiKey: null, dispatcher, fetch: never });
    expect(make).toThrow("dispatcher and fetch are two ways to send: pass one of them.");
  });

  it.skipIf(platform.openTransport)("takes no dispatcher where undici does not run", () => {
    const make = () => new Licentric({ apiKey: null, dispatcher });
    expect(make).toThrow("dispatcher is undici's, and works on Node alone: pass fetch on this runtime.");
  });
});

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPaywall, type Paywall, type PaywallEvents, RefusedError } from "../src/index.ts";
import { refusalOf, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// What answers in the API's place (a proxy, a firewall, a sign-in page, anything at all) tells nothing of the agent.

let api: StandIn;
let token: string;
let paywall: Paywall;
let failed: PaywallEvents["failed"][];
let runs: number;
beforeEach(async () => {
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
  paywall = createPaywall({ baseUrl: api.url, token: () => token });
  failed = [];
  runs = 0;
  paywall.on("failed", (event) => failed.push(event));
});
afterEach(async () => {
  await paywall.close();
  await api.close();
});

const page = (status: number) => ({
  status,
  headers: { "content-type": "text/html", "www-authenticate": 'Basic realm="Intranet"' },
  body: `<html><h1>${status} of a proxy</h1></html>`,
});
const callFor = async (charge: "call" | "success" | "reserve") => {
  const handler = paywall.tool({ meterName: "api_calls", charge }, async (_extra: object) => {
    runs++;
    return text("ran");
  });
  return handler({});
};

describe.each(["call", "success", "reserve"] as const)("a page in the API's place, charge %s", (charge) => {
  it.each([
    [301, "misconfigured"],
    [400, "misconfigured"],
    [401, "misconfigured"],
    [402, "misconfigured"],
    [403, "misconfigured"],
    [404, "misconfigured"],
    [407, "misconfigured"],
    [409, "misconfigured"],
    [422, "misconfigured"],
    [408, "billing_unavailable"],
    [425, "billing_unavailable"],
    [429, "billing_unavailable"],
    [503, "billing_unavailable"],
  ])("with status %d is not the agent's fault, and told to the owner", async (status, code) => {
    api.always = page(status);
    expect(refusalOf(await callFor(charge))).toMatchObject({ code });
    expect(runs).toBe(0);
    expect(failed).toHaveLength(1);
    expect(failed[0]?.error).toMatchObject({ status, answeredByApi: false });
  });
});

describe("what the API itself says", () => {
  it.each([
    [401, { error: "Expired.", code: "UNAUTHORIZED" }, "invalid_token"],
    [401, { error: "Expired.", code: "A_CODE_OF_TOMORROW", requestId: "01J" }, "invalid_token"],
    [401, { error: "Expired.", code: "UNAUTHORIZED", status: 401 }, "invalid_token"],
    [402, { error: "Used up.", code: "BUDGET_EXCEEDED" }, "budget_exceeded"],
    [403, { error: "No such scope." }, "insufficient_scope"],
    [409, { error: "Another body.", code: "IDEMPOTENCY_CONFLICT" }, "idempotency_conflict"],
    [429, { error: "Slow down.", code: "RATE_LIMITED" }, "rate_limited"],
  ])("with status %d and %j is the agent's affair", async (status, body, code) => {
    api.always = { status, body: JSON.stringify(body) };
    expect(refusalOf(await callFor("call"))).toMatchObject({ code });
    expect(failed).toEqual([]);
  });

  it.each([400, 404, 422, 500])("with status %d and no code is the owner's", async (status) => {
    api.always = { status, body: JSON.stringify({ error: "No." }) };
    const code = status === 500 ? "billing_unavailable" : "misconfigured";
    expect(refusalOf(await callFor("call"))).toMatchObject({ code });
    expect(failed).toHaveLength(1);
  });
});

it.each([
  [408, page(408)],
  [408, { status: 408, body: '{"error":"The body came too slowly.","code":"REQUEST_TIMEOUT"}' }],
  [425, page(425)],
])("a request that was not taken (%d) is sent again under its key", async (_, fault) => {
  api.faults.push(fault, fault);
  expect(await callFor("call")).toEqual(text("ran"));
  const keys = api.seen.map((line) => /"idempotency-key":"([^"]+)"/.exec(line)?.[1]);
  expect(keys).toHaveLength(3);
  expect(new Set(keys).size).toBe(1);
  expect(api.ledger.usage).toHaveLength(1);
});

it.each([404, 409])("a page (%d) is not taken for the lapse of a reservation", async (status) => {
  const { gateway } = api.ledger;
  const { reserve } = gateway;
  gateway.reserve = (...asked) => {
    api.always = page(status);
    return reserve(...asked);
  };
  expect(refusalOf(await callFor("reserve"))).toMatchObject({ code: "misconfigured" });
  expect(runs).toBe(1);
  expect(api.ledger.usage).toEqual([]);
  expect(api.seen.filter((line) => line.includes("/mcp/verify"))).toEqual([]);
});

it("what a firewall kept back may have been recorded, and pays for the next call", async () => {
  api.faults.push({ ...page(403), acts: true });
  expect(refusalOf(await callFor("call"))).toMatchObject({ code: "misconfigured" });
  expect(api.ledger.usage).toHaveLength(1);
  expect(await callFor("call")).toEqual(text("ran"));
  expect(api.ledger.usage).toHaveLength(1);
});

describe("requireBearerAuth", () => {
  const request = () =>
    new Request("https://example.com/mcp", { headers: { authorization: `Bearer ${token}` } });

  it.each([401, 403])("a page (%d) does not ask for another token", async (status) => {
    api.always = page(status);
    const answer = await paywall.requireBearerAuth({ resource: request().url })(request());
    expect(answer).toMatchObject({ status: 500 });
    await expect(paywall.verifier().verifyAccessToken(token)).rejects.toBeInstanceOf(RefusedError);
    await expect(paywall.verifier().verifyAccessToken(token)).rejects.toMatchObject({
      refusal: { code: "misconfigured" },
    });
    expect(failed).toHaveLength(3);
    expect(failed[0]?.error).toMatchObject({ status, answeredByApi: false });
  });
});

it("an answer without end is cut off: it costs neither memory nor time", async () => {
  api.always = "endless";
  const started = performance.now();
  expect(refusalOf(await callFor("call"))).toMatchObject({ code: "billing_unavailable" });
  expect(performance.now() - started).toBeLessThan(5_000);
  // What was sent went into buffers, of the sockets too.
  expect(api.flood / api.seen.length).toBeLessThan(16 * 1_048_576);
  expect(failed[0]?.error).toMatchObject({ message: expect.stringContaining("more than 1048576 bytes") });
});

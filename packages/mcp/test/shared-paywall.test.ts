import { buildCore, buildCorePaywall } from "@licentric/paywall/adapter";
import { createTestLedger } from "@licentric/paywall/testing";
import { expect, it } from "vitest";
import { createPaywall } from "../src/index.ts";

const ledger = createTestLedger();
const token = ledger.authorize("agt_1");
const options = { verification: { cacheTtl: 60_000 }, defaults: { charge: "success" } } as const;
const paywall = buildCorePaywall(options, buildCore(options, ledger.gateway));
const mcp = createPaywall({ paywall });

it("charges for tools, routes and anything else through one paywall, by its defaults", async () => {
  const heard: string[] = [];
  const stop = paywall.on("metered", ({ kind, name }) => heard.push(`${kind} ${name}`));
  const tool = mcp.tool(
    { name: "forecast", meterName: "api_calls" },
    async (_args: { city: string }, context: object) => mcp.caller(context).agentId,
  );
  const extra = {
    signal: new AbortController().signal,
    requestInfo: { headers: { authorization: `Bearer ${token}` } },
  };
  expect(await tool({ city: "Rome" }, extra)).toBe("agt_1");
  const route = mcp.route({ meterName: "api_calls" }, (_request, { caller }) => new Response(caller.agentId));
  const request = () => new Request("http://x.example/a", { headers: { authorization: `Bearer ${token}` } });
  expect(await (await route(request())).text()).toBe("agt_1");
  expect(
    await mcp.charge({ token, name: "job" }, { meterName: "api_calls" }, (call) => call.caller.agentId),
  ).toBe("agt_1");
  expect(heard).toEqual(["tool forecast", "call GET /a", "call job"]);
  // One to verify, which all three trust, and one to bill each of them.
  expect(ledger.requests).toHaveLength(4);
  stop();
});

it("is told its options where it was made", () => {
  // @ts-expect-error: an option that is none
  expect(() => createPaywall({ paywall, timeouts: 5 })).toThrow('there is no option "timeouts"');
  expect(() => createPaywall({ paywall, timeout: 5 })).toThrow(
    "give timeout to the createPaywall that made `paywall`",
  );
  // @ts-expect-error: what is no paywall
  expect(() => createPaywall({ paywall: {} })).toThrow("made by createPaywall of the same copy");
});

it("is closed as one", async () => {
  await mcp.close();
  await expect(paywall.charge({ token, name: "job" }, {}, () => "ran")).rejects.toMatchObject({
    code: "billing_unavailable",
  });
});

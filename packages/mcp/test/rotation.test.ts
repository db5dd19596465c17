import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { inputRequired, McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createPaywall, IDEMPOTENCY_META_KEY, type Paywall, type PaywallOptions } from "../src/index.ts";
import { createTestPaywall } from "../src/testing.ts";
import { connectModern, connectV1, connectV2, refusalOf, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// A credential is rotated while a call is on its way: whatever binds a call binds it to the agent.

let api: StandIn;
let token: string;
let open: Paywall[];
beforeEach(async () => {
  open = [];
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
});
afterEach(async () => {
  await Promise.all(open.map((paywall) => paywall.close({ timeout: 200 })));
  await api.close();
});

function newPaywall(options: PaywallOptions = {}): Paywall {
  const paywall = createPaywall({ baseUrl: api.url, token: () => token, ...options });
  open.push(paywall);
  return paywall;
}

const rotate = (agentId = "agt_1") => {
  token = api.ledger.authorize(agentId);
};
const MODES = ["call", "success", "reserve"] as const;
type Mode = (typeof MODES)[number];

let runs = 0;
async function serve(sdk: "v1" | "v2", charge: Mode, paywall: Paywall) {
  runs = 0;
  const run = async () => text(`result ${++runs}`);
  const charges = { tools: { t: { meterName: "api_calls", charge } } };
  const info = { name: "server", version: "1" };
  const v1 = new McpServer(info);
  const v2 = new McpServerV2(info);
  if (sdk === "v1") paywall.protect(v1, charges).registerTool("t", {}, run);
  else paywall.protect(v2, charges).registerTool("t", {}, run);
  const client = sdk === "v1" ? await connectV1(v1) : await connectV2(v2);
  return (key?: string) =>
    client.callTool({ name: "t", ...(key !== undefined && { _meta: { [IDEMPOTENCY_META_KEY]: key } }) });
}

describe.each(["v1", "v2"] as const)("%s: between two tries of one key", (sdk) => {
  describe.each(MODES)("charge %s", (charge) => {
    it("gives the first result again, and bills once", async () => {
      const call = await serve(sdk, charge, newPaywall());
      expect(await call("k")).toMatchObject(text("result 1"));
      const old = token;
      for (let tries = 0; tries < 3; tries++) {
        rotate();
        expect(await call("k")).toMatchObject(text("result 1"));
      }
      token = old;
      expect(await call("k")).toMatchObject(text("result 1"));
      expect(runs).toBe(1);
      expect(api.ledger.usage).toHaveLength(1);
    });

    it("runs and bills nothing again in another process", async () => {
      await (await serve(sdk, charge, newPaywall()))("k");
      rotate();
      const call = await serve(sdk, charge, newPaywall());
      expect(refusalOf(await call("k"))).toMatchObject({ code: "idempotency_replay" });
      expect(api.ledger.usage).toHaveLength(1);
    });

    it("waits for the first where that is still on its way", async () => {
      api.delay = 30;
      const call = await serve(sdk, charge, newPaywall());
      const first = call("k");
      await expect.poll(() => api.seen.length).toBeGreaterThan(0);
      rotate();
      const second = call("k");
      expect(await first).toMatchObject(text("result 1"));
      expect(await second).toMatchObject(text("result 1"));
      expect(runs).toBe(1);
      expect(api.ledger.usage).toHaveLength(1);
    });

    it("never gives one agent what another one paid for, and no stored result to a revoked credential", async () => {
      const call = await serve(sdk, charge, newPaywall());
      await call("k");
      const old = token;
      rotate("agt_2");
      expect(await call("k")).toMatchObject(text("result 2"));
      rotate("agt_1");
      expect(await call("k")).toMatchObject(text("result 1"));
      api.ledger.revoke(old);
      token = old;
      expect(refusalOf(await call("k"))).toMatchObject({ code: "invalid_token" });
      api.ledger.authorize("agt_1");
      expect(api.ledger.usage.map(({ agentId }) => agentId)).toEqual(["agt_1", "agt_2"]);
      expect(runs).toBe(2);
    });
  });
});

it("gives no stored result to a credential of the same agent that lacks its scopes", async () => {
  const paywall = newPaywall();
  const server = new McpServer({ name: "server", version: "1" });
  server.registerTool("t", {}, () => text("ran"));
  paywall.protect(server, { tools: { t: { meterName: "api_calls", scopes: ["mcp:invoke"] } } });
  const client = await connectV1(server);
  const keyed = { name: "t", _meta: { [IDEMPOTENCY_META_KEY]: "k" } };
  await client.callTool(keyed);
  token = api.ledger.authorize("agt_1", { scopes: ["mcp:other"] });
  expect(refusalOf(await client.callTool(keyed))).toMatchObject({ code: "insufficient_scope" });
});

describe("after a lost answer", () => {
  /** Loses every answer of one call, which the API records all the same. */
  async function loseOne(call: () => Promise<object>) {
    const before = api.ledger.usage.length;
    api.always = "drop-answer";
    expect(refusalOf(await call())).toMatchObject({ code: "billing_unavailable" });
    api.always = undefined;
    expect(api.ledger.usage).toHaveLength(before + 1);
  }

  it.each(["v1", "v2"] as const)("%s: bills once whose credential was known", async (sdk) => {
    const call = await serve(sdk, "call", newPaywall({ timeout: 200 }));
    await call();
    await loseOne(call);
    rotate();
    expect(await call()).toMatchObject(text("result 2"));
    expect(api.ledger.usage).toHaveLength(2);
    expect(await call()).toMatchObject(text("result 3"));
    expect(api.ledger.usage).toHaveLength(3);
  });

  it.each(["v1", "v2"] as const)("%s: bills once whose credential was never known", async (sdk) => {
    const call = await serve(sdk, "call", newPaywall({ timeout: 200 }));
    await loseOne(call);
    rotate();
    expect(await call()).toMatchObject(text("result 1"));
    expect(api.ledger.usage).toHaveLength(1);
    expect(await call()).toMatchObject(text("result 2"));
    rotate();
    expect(await call()).toMatchObject(text("result 3"));
    expect(api.ledger.usage).toHaveLength(3);
  });

  it("does not let another agent use up what was recorded, whichever credential it comes with", async () => {
    const call = await serve("v1", "call", newPaywall({ timeout: 200 }));
    await loseOne(call);
    for (let calls = 0; calls < 3; calls++) {
      rotate("agt_2");
      await call();
      await call();
    }
    expect(api.ledger.usage.map(({ agentId }) => agentId)).toEqual(["agt_1", ...Array(6).fill("agt_2")]);
    rotate("agt_1");
    await call();
    expect(api.ledger.usage).toHaveLength(7);
    await call();
    expect(api.ledger.usage).toHaveLength(8);
  });

  it("bills once where the answer is lost again under the new credential", async () => {
    const paywall = newPaywall({ timeout: 200 });
    const call = await serve("v1", "call", paywall);
    await loseOne(call);
    rotate();
    // Whose it is can be asked for nothing; then every answer is lost again.
    expect(await paywall.tool({}, async (_: object) => text("free"))({})).toEqual(text("free"));
    api.always = "drop-answer";
    expect(refusalOf(await call())).toMatchObject({ code: "billing_unavailable" });
    api.always = undefined;
    expect(api.ledger.usage).toHaveLength(1);
    rotate();
    expect(await call()).toMatchObject(text("result 1"));
    expect(api.ledger.usage).toHaveLength(1);
    await call();
    expect(api.ledger.usage).toHaveLength(2);
  });
});

describe.each(["protect", "tool"] as const)("between two rounds, paywall.%s", (form) => {
  const confirm = z.object({ confirm: z.boolean() });
  const deploy = async (ctx: { mcpReq: { inputResponses?: Record<string, unknown> } }) =>
    ctx.mcpReq.inputResponses === undefined
      ? inputRequired({
          inputRequests: { confirm: inputRequired.elicit({ message: "Sure?", requestedSchema: confirm }) },
        })
      : text("deployed");

  it.each(MODES)("bills a call once, charge %s", async (charge) => {
    const paywall = createTestPaywall();
    const options = { meterName: "api_calls", charge };
    const build = () => {
      const server = new McpServerV2({ name: "server", version: "1" });
      if (form === "tool") {
        server.registerTool("deploy", {}, paywall.tool({ ...options, name: "deploy" }, deploy));
        return server;
      }
      server.registerTool("deploy", {}, deploy);
      return paywall.protect(server, { tools: { deploy: options } });
    };
    const client = await connectModern(build, { capabilities: { elicitation: {} } }, (it) =>
      it.setRequestHandler("elicitation/create", () => {
        paywall.actAs(paywall.authorize("agt_test"));
        return { action: "accept" as const, content: { confirm: true } };
      }),
    );
    expect(await client.callTool({ name: "deploy" })).toMatchObject(text("deployed"));
    paywall.expectBilled({ quantity: 1 });
    // And the payment is spent: another call is another bill.
    expect(await client.callTool({ name: "deploy" })).toMatchObject(text("deployed"));
    paywall.expectBilled({ quantity: 1 }, { quantity: 1 });
  });
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { acceptedContent, inputRequired, McpServer } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createPaywall, type Paywall, type PaywallEvents, type PaywallOptions } from "../src/index.ts";
import { fileJournal } from "../src/journal.ts";
import { connectModern, connectV2, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// A call that asks for input is charged in the background as it is by request.

let api: StandIn;
let token: string;
let directory: string;
beforeEach(async () => {
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
  directory = await mkdtemp(join(tmpdir(), "licentric-rounds-"));
});
afterEach(async () => {
  await api.close();
  await rm(directory, { recursive: true, force: true });
});

const confirmation = z.object({ confirm: z.boolean() });
const paywallWith = (options: PaywallOptions) =>
  createPaywall({
    baseUrl: api.url,
    apiKey: "lk_test_0123456789abcdef",
    token: () => token,
    journal: fileJournal({ directory, flushInterval: 20 }),
    ...options,
  });

let runs = 0;
function build(paywall: Paywall, form: "protect" | "tool"): McpServer {
  const server = new McpServer({ name: "server", version: "1" });
  const ask = async (ctx: { mcpReq: { inputResponses?: Record<string, unknown> } }) => {
    runs++;
    if (acceptedContent(ctx.mcpReq.inputResponses, "sure", confirmation)?.confirm) return text("done");
    const sure = inputRequired.elicit({ message: "Sure?", requestedSchema: confirmation });
    return inputRequired({ inputRequests: { sure } });
  };
  const charge = { meterName: "api_calls", charge: "call" } as const;
  if (form === "tool") {
    server.registerTool("t", {}, paywall.tool({ ...charge, name: "t" }, ask));
    return server;
  }
  server.registerTool("t", {}, ask);
  return paywall.protect(server, { tools: { t: charge } });
}

const WAYS: readonly (readonly [string, PaywallOptions])[] = [
  ["by request", {}],
  ["in the background", { metering: "background" }],
];
const elicitation = { capabilities: { elicitation: {} } };
const accept = () => ({ action: "accept" as const, content: { confirm: true } });
const continued = {
  method: "tools/call" as const,
  params: { name: "t", arguments: {}, inputResponses: { sure: accept() } },
};

describe.each(["protect", "tool"] as const)("paywall.%s", (form) => {
  describe.each(WAYS)("%s", (_, options) => {
    it("bills what asks for input and is never continued", async () => {
      const paywall = paywallWith(options);
      const metered: PaywallEvents["metered"][] = [];
      paywall.on("metered", (event) => metered.push(event));
      const client = await connectModern(() => build(paywall, form), {
        ...elicitation,
        inputRequired: { autoFulfill: false },
      });
      runs = 0;
      for (let call = 0; call < 5; call++)
        await expect(client.callTool({ name: "t", arguments: {} })).rejects.toThrow(/input.required/i);
      await paywall.close();
      expect(runs).toBe(5);
      expect(metered).toHaveLength(5);
      expect(api.ledger.usage).toHaveLength(5);
    });

    it("bills a call of two rounds once, and each continuation only as often as it was paid for", async () => {
      const paywall = paywallWith(options);
      const client = await connectModern(() => build(paywall, form), {
        ...elicitation,
        inputRequired: { autoFulfill: false },
      });
      await expect(client.callTool({ name: "t", arguments: {} })).rejects.toThrow(/input.required/i);
      for (let call = 0; call < 3; call++)
        expect(await client.request(continued)).toMatchObject(text("done"));
      await paywall.close();
      expect(api.ledger.usage).toHaveLength(3);
    });

    it("bills a call of two rounds once by protocol 2025-11-25", async () => {
      const paywall = paywallWith(options);
      const client = await connectV2(build(paywall, form), elicitation, (it) =>
        it.setRequestHandler("elicitation/create", accept),
      );
      runs = 0;
      expect(await client.callTool({ name: "t", arguments: {} })).toMatchObject(text("done"));
      await paywall.close();
      expect(runs).toBe(2);
      expect(api.ledger.usage).toHaveLength(1);
    });
  });

  it("bills it while the API is away, too, for an agent that is let through", async () => {
    const paywall = paywallWith({ onUnavailable: "allow", timeout: 200 });
    const client = await connectModern(() => build(paywall, form), {
      ...elicitation,
      inputRequired: { autoFulfill: false },
    });
    const ask = () =>
      expect(client.callTool({ name: "t", arguments: {} })).rejects.toThrow(/input.required/i);
    await ask();
    api.always = "drop-request";
    for (let call = 0; call < 3; call++) await ask();
    expect(await client.request(continued)).toMatchObject(text("done"));
    api.always = undefined;
    await paywall.close({ timeout: 10_000 });
    expect(api.ledger.usage).toHaveLength(4);
  });
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { acceptedContent, inputRequired, McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  type ChargeMode,
  createPaywall,
  IDEMPOTENCY_META_KEY,
  type Paywall,
  type PaywallOptions,
  RECEIPT_META_KEY,
  type Receipt,
} from "../src/index.ts";
import { fileJournal } from "../src/journal.ts";
import { connectModern, connectV1, connectV2, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// Through the real clients: the receipt in a result's `_meta` names the events that the call was billed by.

let api: StandIn;
let token: string;
let directory: string;
let paywall: Paywall;
beforeEach(async () => {
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
  directory = await mkdtemp(join(tmpdir(), "licentric-receipts-"));
});
afterEach(async () => {
  await paywall.close();
  await api.close();
  await rm(directory, { recursive: true, force: true });
});

const open = (options: PaywallOptions = {}) => {
  paywall = createPaywall({ baseUrl: api.url, token: () => token, receipts: true, ...options });
};

const receiptIn = (result: object): unknown =>
  z.looseObject({ _meta: z.record(z.string(), z.unknown()).optional() }).parse(result)._meta?.[
    RECEIPT_META_KEY
  ];

/** The receipt that the ledger's own events make. */
function ofLedger(meterName = "pages"): Receipt {
  const events = api.ledger.usage.map(({ idempotencyKey, quantity }) => ({ idempotencyKey, quantity }));
  return { meterName, quantity: events.reduce((sum, { quantity }) => sum + quantity, 0), events };
}

const MODES: readonly ChargeMode[] = ["call", "success", "reserve"];
type Form = "protect" | "single";

/** A server of one tool, one prompt and one resource. */
function register(server: McpServerV1 | McpServerV2, form: Form, charge: ChargeMode): void {
  const price = { meterName: "pages", charge, quantity: 5 };
  const isSingle = form === "single";
  const tool = (context: object) => {
    if (charge !== "call") paywall.reportUsage(3, context);
    return { ...text("done"), _meta: { own: 1 } };
  };
  const prompt = (_: object) => ({
    messages: [{ role: "user" as const, content: { type: "text" as const, text: "x" } }],
  });
  const resource = (uri: URL, _: object) => ({ contents: [{ uri: uri.href, text: "content" }] });
  const handlers = {
    tool: isSingle ? paywall.tool({ ...price, name: "t" }, tool) : tool,
    prompt: isSingle ? paywall.prompt({ ...price, name: "p" }, prompt) : prompt,
    resource: isSingle ? paywall.resource({ ...price, name: "r" }, resource) : resource,
  };
  if (server instanceof McpServerV1) {
    server.registerTool("t", {}, handlers.tool as () => ReturnType<typeof tool>);
    server.registerPrompt("p", {}, handlers.prompt as () => ReturnType<typeof prompt>);
    server.registerResource("r", "doc://r", {}, handlers.resource);
  } else {
    server.registerTool("t", {}, handlers.tool as () => ReturnType<typeof tool>);
    server.registerPrompt("p", {}, handlers.prompt as () => ReturnType<typeof prompt>);
    server.registerResource("r", "doc://r", {}, handlers.resource);
  }
  if (!isSingle)
    paywall.protect(server, { tools: { t: price }, prompts: { p: price }, resources: { "doc://r": price } });
}

async function connect(sdk: "v1" | "v2", form: Form, charge: ChargeMode) {
  const info = { name: "server", version: "1" };
  if (sdk === "v1") {
    const server = new McpServerV1(info);
    register(server, form, charge);
    return connectV1(server);
  }
  const server = new McpServerV2(info);
  register(server, form, charge);
  return connectV2(server);
}

describe.each(["v1", "v2"] as const)("SDK %s", (sdk) => {
  describe.each(["protect", "single"] as const)("%s", (form) => {
    it.each(MODES)("sends the receipt of a tool beside its own _meta, by %s", async (charge) => {
      open();
      const client = await connect(sdk, form, charge);
      const result = await client.callTool({ name: "t" });
      expect(receiptIn(result)).toEqual(ofLedger());
      expect(result).toMatchObject({ ...text("done"), _meta: { own: 1 } });
      expect(api.ledger.usage.map(({ quantity }) => quantity)).toEqual([charge === "call" ? 5 : 3]);
    });

    it.each(MODES)("sends a repetition the first call's receipt, by %s", async (charge) => {
      open();
      const client = await connect(sdk, form, charge);
      const asked = { name: "t", _meta: { [IDEMPOTENCY_META_KEY]: "k" } };
      const results = [await client.callTool(asked), await client.callTool(asked)];
      expect(results.map(receiptIn)).toEqual([ofLedger(), ofLedger()]);
      expect(api.ledger.usage).toHaveLength(1);
    });

    it("sends the receipt of a prompt and of a resource", async () => {
      open();
      const client = await connect(sdk, form, "success");
      const prompt = receiptIn(await client.getPrompt({ name: "p" }));
      expect(prompt).toEqual(ofLedger());
      const resource = receiptIn(await client.readResource({ uri: "doc://r" }));
      const last = api.ledger.usage.at(-1);
      const events = [{ idempotencyKey: last?.idempotencyKey, quantity: 5 }];
      expect(resource).toEqual({ meterName: "pages", quantity: 5, events });
    });

    it("knows the event of a call that is billed in the background before it is delivered", async () => {
      open({
        metering: "background",
        apiKey: "lk_test_0123456789abcdef",
        journal: fileJournal({ directory, flushInterval: 60_000 }),
      });
      const client = await connect(sdk, form, "success");
      const receipt = receiptIn(await client.callTool({ name: "t" }));
      expect(api.ledger.usage).toEqual([]);
      await paywall.flush();
      expect(receipt).toEqual(ofLedger());
    });

    it("adds nothing where receipts are off", async () => {
      open({ receipts: false });
      const client = await connect(sdk, form, "call");
      const result = await client.callTool({ name: "t" });
      expect(result["_meta"]).toEqual({ own: 1 });
      expect(api.ledger.usage).toHaveLength(1);
    });
  });
});

it("tells the last round of a call what its first round was billed", async () => {
  open();
  const confirmation = z.object({ confirm: z.boolean() });
  const client = await connectModern(
    () => {
      const server = new McpServerV2({ name: "server", version: "1" });
      server.registerTool("t", {}, async (ctx) => {
        if (acceptedContent(ctx.mcpReq.inputResponses, "sure", confirmation)?.confirm) return text("done");
        const sure = inputRequired.elicit({ message: "Sure?", requestedSchema: confirmation });
        return inputRequired({ inputRequests: { sure } });
      });
      return paywall.protect(server, { tools: { t: { meterName: "pages" } } });
    },
    { capabilities: { elicitation: {} } },
    (made) =>
      made.setRequestHandler("elicitation/create", () => ({
        action: "accept" as const,
        content: { confirm: true },
      })),
  );
  const result = await client.callTool({ name: "t" });
  expect(result).toMatchObject(text("done"));
  expect(receiptIn(result)).toEqual(ofLedger());
  expect(api.ledger.usage).toHaveLength(1);
});

import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { z } from "zod";
import type { Paywall, ProtectOptions } from "../src/index.ts";

/** What the test server's tools cost. */
const CHARGES: ProtectOptions = {
  tools: {
    call: { meterName: "api_calls", scopes: ["mcp:invoke"] },
    success: { meterName: "api_calls", charge: "success", scopes: ["mcp:invoke"] },
    reserve: {
      meterName: "api_calls",
      charge: "reserve",
      quantity: 10,
      resultQuantity: () => 3,
      scopes: ["mcp:invoke"],
    },
    "call-budgeted": { meterName: "api_calls", enforceBudget: true },
    "success-budgeted": { meterName: "api_calls", charge: "success", enforceBudget: true },
    "reserve-budgeted": { meterName: "api_calls", charge: "reserve", enforceBudget: true },
    structured: { meterName: "api_calls" },
    free: false,
  },
};

const runs = new Map<string, number>();

/** How often a tool's handler ran in this process. */
function runsOf(name: string): number {
  return runs.get(name) ?? 0;
}

function answer(name: string, text: string) {
  runs.set(name, runsOf(name) + 1);
  if (text === "throw") throw new Error("thrown by the handler");
  const content = [{ type: "text" as const, text: `${name}: ${text}` }];
  return text === "fail" ? { content, isError: true } : { content };
}

const MODES = ["call", "success", "reserve"];
const PLAIN = [...MODES, ...MODES.map((mode) => `${mode}-budgeted`), "free"];

/** A protected server of SDK v1. */
export function buildV1(paywall: Paywall, charges: ProtectOptions = CHARGES): McpServerV1 {
  const server = new McpServerV1({ name: "test", version: "1" });
  for (const name of PLAIN) {
    server.registerTool(name, { inputSchema: { text: z.string() } }, async ({ text }) => answer(name, text));
  }
  server.registerTool(
    "structured",
    { inputSchema: { text: z.string() }, outputSchema: { length: z.number() } },
    async ({ text }) => ({ ...answer("structured", text), structuredContent: { length: text.length } }),
  );
  return paywall.protect(server, charges);
}

/** A protected server of SDK v2. */
export function buildV2(paywall: Paywall, charges: ProtectOptions = CHARGES): McpServerV2 {
  const server = new McpServerV2({ name: "test", version: "1" });
  const inputSchema = z.object({ text: z.string() });
  for (const name of PLAIN) {
    server.registerTool(name, { inputSchema }, async ({ text }) => answer(name, text));
  }
  server.registerTool(
    "structured",
    { inputSchema, outputSchema: z.object({ length: z.number() }) },
    async ({ text }) => ({ ...answer("structured", text), structuredContent: { length: text.length } }),
  );
  return paywall.protect(server, charges);
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPaywall, type Paywall } from "@licentric/mcp";
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport as MemoryV1 } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer as ServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { InMemoryTransport as MemoryV2, McpServer as ServerV2 } from "@modelcontextprotocol/server";
import type { Agent } from "../agent.ts";
import { inTurn, microsecondsPerCall, type Row, ratios, spread } from "../compare.ts";

const CALLS = 2_000;
const ROUNDS = 9;
const ran = async () => ({ content: [{ type: "text" as const, text: "ran" }] });
type Call = () => Promise<unknown>;

/** A wrapped tool with a warm cache and background metering ÷ the same tool bare, with the official client. */
export async function inMemory(agent: Agent): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), "licentric-bench-"));
  const paywall = createPaywall({
    baseUrl: agent.url,
    apiKey: agent.apiKey,
    token: () => agent.token,
    metering: "background",
    verification: { cacheTtl: 600_000 },
    journal: { directory },
  });
  try {
    return [
      await compare("v1", await callV1(paywall), await callV1()),
      await compare("v2", await callV2(paywall), await callV2()),
    ];
  } finally {
    await paywall.close({ timeout: 30_000 });
    await rm(directory, { recursive: true, force: true });
  }
}

async function compare(version: string, wrapped: Call, bare: Call): Promise<Row> {
  const { left, right } = await inTurn(
    ROUNDS,
    () => microsecondsPerCall(CALLS, wrapped),
    () => microsecondsPerCall(CALLS, bare),
  );
  const figures = `${spread(left).median.toFixed(0)} µs ÷ ${spread(right).median.toFixed(0)} µs a call`;
  return {
    name: `paywall in memory, SDK ${version}`,
    ratio: "wrapped, cache and journal ÷ bare",
    ...spread(ratios(left, right)),
    aim: { atMost: 1.25 },
    figures,
  };
}

async function callV1(paywall?: Paywall): Promise<Call> {
  const server = new ServerV1({ name: "bench", version: "1" });
  server.registerTool("t", {}, paywall?.tool({ meterName: "api_calls", name: "t" }, ran) ?? ran);
  const client = new ClientV1({ name: "bench", version: "1" });
  const [near, far] = MemoryV1.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  return served(() => client.callTool({ name: "t" }));
}

async function callV2(paywall?: Paywall): Promise<Call> {
  const server = new ServerV2({ name: "bench", version: "1" });
  server.registerTool("t", {}, paywall?.tool({ meterName: "api_calls", name: "t" }, ran) ?? ran);
  const client = new ClientV2({ name: "bench", version: "1" });
  const [near, far] = MemoryV2.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  return served(() => client.callTool({ name: "t" }));
}

/** A refusal is quick, too: what is measured must have been served. */
function served(call: () => Promise<object>): Call {
  return async () => {
    const result = await call();
    if ("isError" in result && result.isError) throw new Error(`refused: ${JSON.stringify(result)}`);
  };
}

// A tool on each MCP SDK, behind the packed paywall, called by the official client of that SDK.
import { createPaywall } from "@licentric/mcp";
import { fileJournal } from "@licentric/mcp/journal";
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport as MemoryV1 } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpServer as McpServerV2, InMemoryTransport as MemoryV2 } from "@modelcontextprotocol/server";

const paywall = createPaywall({ token: () => process.env.LICENTRIC_AGENT_TOKEN });
const background = createPaywall({
  token: () => process.env.LICENTRIC_AGENT_TOKEN,
  metering: "background",
  journal: fileJournal({ directory: process.env.JOURNAL }),
});
const answers = [];
for (const [McpServer, Client, Memory] of [
  [McpServerV1, ClientV1, MemoryV1],
  [McpServerV2, ClientV2, MemoryV2],
]) {
  for (const wall of [paywall, background]) {
    const server = new McpServer({ name: "server", version: "1" });
    server.registerTool("t", {}, () => ({ content: [{ type: "text", text: "ran" }] }));
    wall.protect(server, { tools: { t: { meterName: "api_calls" } } });
    const client = new Client({ name: "client", version: "1" });
    const [near, far] = Memory.createLinkedPair();
    await Promise.all([server.connect(far), client.connect(near)]);
    answers.push((await client.callTool({ name: "t" })).content[0].text);
    await client.close();
  }
}
await background.close();
process.stdout.write(JSON.stringify(answers));

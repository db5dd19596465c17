// The same in CommonJS.
const { createPaywall } = require("@licentric/mcp");
const { fileJournal } = require("@licentric/mcp/journal");
const { Client: ClientV2 } = require("@modelcontextprotocol/client");
const { Client: ClientV1 } = require("@modelcontextprotocol/sdk/client/index.js");
const { InMemoryTransport: MemoryV1 } = require("@modelcontextprotocol/sdk/inMemory.js");
const { McpServer: McpServerV1 } = require("@modelcontextprotocol/sdk/server/mcp.js");
const { McpServer: McpServerV2, InMemoryTransport: MemoryV2 } = require("@modelcontextprotocol/server");

async function main() {
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
}
main();

import { createServer } from "node:http";
import { createPaywall } from "@licentric/mcp";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";

/** A paid server for the agent to call: `read` within its budget, `export` with a scope of its own. */
export async function startArchive(): Promise<{ url: URL; close(): Promise<void> }> {
  const paywall = createPaywall();
  const answer = (text: string) => ({ content: [{ type: "text" as const, text }] });
  const mcp = createMcpHandler(() => {
    const server = new McpServer({ name: "archive", version: "1.0.0" });
    server.registerTool("read", { description: "Read the archive" }, async () => answer("a page"));
    server.registerTool("export", { description: "Export the archive" }, async () => answer("everything"));
    return paywall.protect(server, {
      tools: {
        read: { meterName: "api_calls", enforceBudget: true },
        export: { meterName: "api_calls", enforceBudget: true, scopes: ["archive:export"] },
      },
    });
  });

  const http = createServer(toNodeHandler(mcp));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const address = http.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: new URL(`http://127.0.0.1:${address.port}/mcp`),
    async close() {
      const closed = new Promise((resolve) => http.close(resolve));
      http.closeAllConnections();
      await closed;
      await paywall.close();
    },
  };
}

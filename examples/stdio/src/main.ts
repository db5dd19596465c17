import { createPaywall } from "@licentric/mcp";
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

// There are no headers over stdio: whoever starts this process sets LICENTRIC_AGENT_TOKEN, and pays with it.
const paywall = createPaywall();
// Standard output belongs to the protocol; what people should read goes to standard error.
paywall.on("failed", ({ reason, error }) => console.error(reason, error));

serveStdio(() => {
  const server = new McpServer({ name: "words", version: "1.0.0" });
  server.registerTool(
    "count_words",
    { description: "Count the words of a text", inputSchema: z.object({ text: z.string() }) },
    paywall.tool({ name: "count_words", meterName: "api_calls" }, async ({ text }) => ({
      content: [{ type: "text", text: `${text.split(/\s+/).filter(Boolean).length} words` }],
    })),
  );
  return server;
});

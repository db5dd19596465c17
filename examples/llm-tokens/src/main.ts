import { createServer } from "node:http";
import { createPaywall } from "@licentric/mcp";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { type CallToolResult, createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { complete } from "./complete.ts";

/** Result of `summarize`. */
type Summary = CallToolResult & { structuredContent: { summary: string; tokens: number } };

const MAX_ANSWER_TOKENS = 500;
const INSTRUCTION = "Summarize in three sentences:\n\n";
const MESSAGE_OVERHEAD = 32; // tokens that a chat format puts around a message

/** The most that a call can use. Tokenizers work on bytes, so a text has never more tokens than UTF-8 bytes. */
const mostTokens = (text: string) =>
  Buffer.byteLength(INSTRUCTION + text) + MESSAGE_OVERHEAD + MAX_ANSWER_TOKENS;

// LICENTRIC_BASE_URL says where the API is. No key is needed: each call brings its own agent's token.
const paywall = createPaywall();
paywall.on("failed", ({ reason, error }) => console.error(reason, error));

const mcp = createMcpHandler(() => {
  const server = new McpServer({ name: "summaries", version: "1.0.0" });
  server.registerTool(
    "summarize",
    {
      description: "Summarize a text; costs the tokens that the model uses",
      inputSchema: z.object({ text: z.string().min(1).max(100_000) }),
      outputSchema: z.object({ summary: z.string(), tokens: z.int() }),
    },
    paywall.tool(
      {
        name: "summarize",
        meterName: "tokens",
        charge: "reserve", // hold the most it can cost; bill what was used, give the rest back
        enforceBudget: true, // and do not even ask the model where the budget does not reach
        quantity: ({ text }) => mostTokens(text),
        resultQuantity: (result: Summary) => result.structuredContent.tokens,
      },
      async ({ text }, ctx) => {
        const answer = await complete(INSTRUCTION + text, MAX_ANSWER_TOKENS, ctx.mcpReq.signal);
        return {
          content: [{ type: "text" as const, text: answer.text }],
          structuredContent: { summary: answer.text, tokens: answer.tokens },
        };
      },
    ),
  );
  return server;
});

const http = createServer(toNodeHandler(mcp));
http.listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1", () => {
  const address = http.address();
  const port = typeof address === "object" && address !== null ? address.port : address;
  console.log(`Summaries on http://127.0.0.1:${port}/mcp`);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    http.close(() => void paywall.close());
    http.closeIdleConnections();
    setTimeout(() => http.closeAllConnections(), 5_000).unref(); // streams that clients keep open
  });
}

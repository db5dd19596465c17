import { randomUUID } from "node:crypto";
import { readText } from "./read-text.ts";
import { serve } from "./serve.ts";

// The least MCP server there is, with sessions and a stream for each that asks for one. It checks nothing.
const results: Record<string, object> = {
  initialize: {
    protocolVersion: "2025-11-25",
    capabilities: { tools: {} },
    serverInfo: { name: "bench", version: "1" },
  },
  "tools/list": { tools: [{ name: "t", inputSchema: { type: "object" } }] },
  "tools/call": { content: [{ type: "text", text: "ran" }] },
};

serve(async (request, response) => {
  if (request.method === "GET") {
    response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    return;
  }
  const body = await readText(request);
  if (body === "") {
    response.writeHead(200).end();
    return;
  }
  const { id, method }: { id?: unknown; method: string } = JSON.parse(body);
  const result = results[method];
  if (result === undefined) {
    response.writeHead(202).end();
    return;
  }
  const session = method === "initialize" ? { "mcp-session-id": randomUUID() } : {};
  response
    .writeHead(200, { "content-type": "application/json", ...session })
    .end(JSON.stringify({ jsonrpc: "2.0", id, result }));
});

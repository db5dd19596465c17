// Servers of the official SDKs: `v1-stdio`, `v2-stdio`, and by HTTP `v1-sessions`, `v1-stateless` and `v2`, at the port given.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { createMcpHandler, McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const [, , kind, port = "0"] = process.argv;
const text = (value) => ({ content: [{ type: "text", text: String(value) }] });
const info = { name: "official", version: "1" };

function buildV1() {
  const server = new McpServerV1(info, { capabilities: { logging: {} } });
  server.registerTool("echo", { inputSchema: { text: z.string() } }, ({ text: given }) => text(given));
  server.registerTool("progress", {}, async (extra) => {
    const { progressToken } = extra._meta ?? {};
    for (const progress of [1, 2])
      await extra.sendNotification({
        method: "notifications/progress",
        params: { progressToken, progress, total: 2 },
      });
    return text("done");
  });
  server.registerTool("elicit", {}, async () => {
    const schema = { type: "object", properties: { city: { type: "string" } } };
    const { content } = await server.server.elicitInput({ message: "Where?", requestedSchema: schema });
    return text(content?.city);
  });
  server.registerTool("grow", {}, () => {
    server.registerTool(`grown-${randomUUID()}`, {}, () => text("grown"));
    return text("grew");
  });
  server.registerTool(
    "slow",
    {},
    (extra) =>
      new Promise((resolve) => {
        extra.signal.addEventListener("abort", () => {
          process.stderr.write("cancelled\n");
          resolve(text("cancelled"));
        });
      }),
  );
  server.registerTool("headers", {}, ({ requestInfo }) => text(JSON.stringify(requestInfo?.headers ?? {})));
  server.registerTool("exit", {}, () => process.exit(9));
  return server;
}

function buildV2() {
  const server = new McpServerV2(info);
  server.registerTool("echo", { inputSchema: z.object({ text: z.string() }) }, ({ text: given }) =>
    text(given),
  );
  server.registerTool("progress", {}, async (ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (const progress of [1, 2])
      await ctx.mcpReq.notify({
        method: "notifications/progress",
        params: { progressToken, progress, total: 2 },
      });
    return text("done");
  });
  server.registerTool("headers", {}, (ctx) =>
    text(JSON.stringify(Object.fromEntries(ctx.http?.req?.headers ?? []))),
  );
  return server;
}

async function serveV1(hasSessions) {
  const transports = new Map();
  return async (request, response) => {
    const id = request.headers["mcp-session-id"];
    const known = transports.get(id);
    if (known !== undefined) return known.handleRequest(request, response);
    if (hasSessions && id !== undefined) return response.writeHead(404).end();
    const transport = new StreamableHTTPServerTransport({
      ...(hasSessions && { sessionIdGenerator: () => randomUUID() }),
      onsessioninitialized: (made) => void transports.set(made, transport),
    });
    await buildV1().connect(transport);
    await transport.handleRequest(request, response);
  };
}

const HANDLERS = {
  "v1-sessions": () => serveV1(true),
  "v1-stateless": () => serveV1(false),
  v2: () => toNodeHandler(createMcpHandler(buildV2)),
};

if (kind === "v1-stdio") await buildV1().connect(new StdioServerTransport());
else if (kind === "v2-stdio") serveStdio(buildV2);
else {
  const handle = await HANDLERS[kind]();
  const server = createServer((request, response) => void handle(request, response));
  server.listen(Number(port), "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
}

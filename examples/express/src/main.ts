import { createServer } from "node:http";
import { createPaywall, protectedResourceMetadata, protectedResourceMetadataUrl } from "@licentric/mcp";
import { createMcpExpressApp, requireBearerAuth } from "@modelcontextprotocol/express";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

const port = Number(process.env["PORT"] ?? 3000);
/** The address that clients use. */
const resource = new URL("/mcp", process.env["PUBLIC_URL"] ?? `http://127.0.0.1:${port}`);

// LICENTRIC_BASE_URL says where the API is. A missing scope is answered with HTTP 403, so that a client can step up.
const paywall = createPaywall({ scopeStepUp: true });
paywall.on("failed", ({ reason, error }) => console.error(reason, error));

const mcp = createMcpHandler(() => {
  const server = new McpServer({ name: "weather", version: "1.0.0" });
  const inputSchema = z.object({ city: z.string() });
  server.registerTool("forecast", { description: "Tomorrow's weather", inputSchema }, async ({ city }) => ({
    content: [{ type: "text", text: `${city}: 13 °C` }],
  }));
  server.registerTool("correct", { description: "Corrects a forecast", inputSchema }, async ({ city }) => ({
    content: [{ type: "text", text: `${city}: corrected` }],
  }));
  return paywall.protect(server, {
    tools: {
      forecast: { meterName: "api_calls" },
      correct: { meterName: "api_calls", scopes: ["weather:admin"] },
    },
  });
});

const app = createMcpExpressApp();
const metadataUrl = protectedResourceMetadataUrl(resource);
const metadata = protectedResourceMetadata({
  resource,
  resourceName: "Weather",
  requiredScopes: ["mcp:invoke"],
});
app.get(new URL(metadataUrl).pathname, (_request, response) => {
  response.set("access-control-allow-origin", "*").json(metadata);
});

const handle = toNodeHandler(mcp);
app.all(
  "/mcp",
  requireBearerAuth({
    verifier: paywall.verifier(),
    requiredScopes: ["mcp:invoke"],
    resourceMetadataUrl: metadataUrl,
  }),
  (request, response) => handle(request, response, request.body),
);

const http = createServer(app);
http.listen(port, "127.0.0.1", () => {
  const address = http.address();
  console.log(
    `Weather on http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : port}/mcp`,
  );
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    http.close(() => void paywall.close());
    http.closeIdleConnections();
    setTimeout(() => http.closeAllConnections(), 5_000).unref(); // streams that clients keep open
  });
}

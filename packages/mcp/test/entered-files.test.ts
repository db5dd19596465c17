import { Session } from "node:inspector/promises";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { expect, it } from "vitest";
import { createPaywall } from "../src/index.ts";
import { connectV1, text } from "./connect.ts";
import { startStandIn } from "./stand-in.ts";

/** Files of the paywall and of its MCP adapter whose functions run while something runs. */
async function filesEntered(run: () => Promise<unknown>): Promise<string[]> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  await run();
  const { result } = await session.post("Profiler.takePreciseCoverage");
  session.disconnect();
  return (
    result
      .filter(({ functions }) => functions.some(({ ranges }) => ranges.some(({ count }) => count > 0)))
      .map(({ url }) => /packages\/((?:paywall|mcp)\/src\/[^?]*)/.exec(url)?.[1])
      // An index of others runs nothing, and the stand-in of the API is none of the paywall's.
      .filter((path) => path !== undefined)
      .filter((path) => !/adapter\.ts$|\/testing\//.test(path))
      .sort()
  );
}

it("a plain call of a tool enters few files", async () => {
  const api = await startStandIn();
  const token = api.ledger.authorize("agt_1");
  const paywall = createPaywall({ baseUrl: api.url, token: () => token });
  const server = new McpServer({ name: "server", version: "1" });
  server.registerTool(
    "t",
    {},
    paywall.tool({ meterName: "pages", name: "t" }, async () => text("done")),
  );
  const client = await connectV1(server);
  await client.callTool({ name: "t" });
  const files = await filesEntered(() => client.callTool({ name: "t" }));
  expect(files).toContain("mcp/src/handler/wrap-handler.ts");
  expect(files.length, files.join("\n")).toBeLessThanOrEqual(36);
  await paywall.close();
  await api.close();
});

// Compiled from the packed package where no MCP SDK is installed.
import { createPaywall, type Paywall } from "@licentric/mcp";
import { createTestPaywall } from "@licentric/mcp/testing";

const paywall: Paywall = createPaywall({ baseUrl: "http://127.0.0.1:4242" });
const handler = paywall.tool({ meterName: "rows" }, async (_context: object) => ({ content: ["ran"] }));
const { content } = await handler({});
content satisfies string[];
createTestPaywall().expectBilled({ meterName: "rows", quantity: 1 });
// @ts-expect-error: what the types forbid, they forbid in the package too.
createPaywall({ metering: "sometimes" });

import { startGate } from "@licentric/gate";
import { tellUsage } from "./children.ts";

// A gate before the MCP server at `UPSTREAM`, each of whose tools is billed.
tellUsage();
const gate = await startGate({
  upstream: { url: process.env["UPSTREAM"] ?? "" },
  default: { meterName: "api_calls" },
  port: 0,
});
process.stdout.write(`${JSON.stringify({ url: gate.url })}\n`);
process.once("SIGTERM", () => void gate.close());

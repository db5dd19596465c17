// #region host
import { createMCPClient } from "@ai-sdk/mcp";

const client = await createMCPClient({
  transport: {
    type: "http",
    url: process.env["WEATHER_MCP_URL"] ?? "",
    headers: { Authorization: `Bearer ${process.env["WEATHER_TOKEN"]}` },
  },
});
const tools = await client.tools(); // for `generateText({ tools, … })`
// #endregion

const result = await tools["forecast"]?.execute?.(
  { city: process.argv[2] },
  { toolCallId: "1", messages: [], context: undefined },
);
process.stdout.write(JSON.stringify(result));
await client.close();

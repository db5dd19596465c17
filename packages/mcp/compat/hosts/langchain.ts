// #region host
import { MultiServerMCPClient } from "@langchain/mcp-adapters";

const client = new MultiServerMCPClient({
  mcpServers: {
    weather: {
      transport: "http",
      url: process.env["WEATHER_MCP_URL"] ?? "",
      headers: { Authorization: `Bearer ${process.env["WEATHER_TOKEN"]}` },
    },
  },
});
const tools = await client.getTools(); // for `createAgent({ tools, … })`
// #endregion

const forecast = tools.find(({ name }) => name === "forecast");
process.stdout.write(JSON.stringify(await forecast?.invoke({ city: process.argv[2] })));
await client.close();

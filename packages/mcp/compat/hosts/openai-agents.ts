// #region host
import { MCPServerStreamableHttp } from "@openai/agents";

const weather = new MCPServerStreamableHttp({
  name: "weather",
  url: process.env["WEATHER_MCP_URL"] ?? "",
  requestInit: { headers: { Authorization: `Bearer ${process.env["WEATHER_TOKEN"]}` } },
});
await weather.connect(); // for `new Agent({ mcpServers: [weather], … })`
// #endregion

process.stdout.write(JSON.stringify(await weather.callTool("forecast", { city: process.argv[2] ?? "" })));
await weather.close();

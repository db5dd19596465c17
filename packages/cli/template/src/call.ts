import { countWords } from "./client.ts";

const url = process.env["MCP_URL"] ?? "http://127.0.0.1:3000/mcp";
const text = process.argv.slice(2).join(" ") || "one two three";
const { content } = await countWords(url, process.env["LICENTRIC_AGENT_TOKEN"], text);
for (const part of content) if (part.type === "text") console.log(part.text);

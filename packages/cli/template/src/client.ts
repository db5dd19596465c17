import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

/** Calls the paid tool as an agent does: by any MCP client, with its token. */
export async function countWords(url: string, token: string | undefined, text: string) {
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  const client = new Client({ name: "my-agent", version: "0.1.0" });
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  try {
    return await client.callTool({ name: "word_count", arguments: { text } });
  } finally {
    await client.close();
  }
}

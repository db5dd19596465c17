import { REFUSAL_META_KEY } from "@licentric/mcp";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { z } from "zod";

/** Content of `_meta` in every refusal; the text beside it is for the model. */
const Refusal = z.object({ code: z.string() });

/** Outcome of an agent's call: the tool's answer, or why it was refused. */
export type Outcome =
  | { readonly served: true; readonly text: string }
  | { readonly served: false; readonly code: string; readonly text: string };

/** An agent that calls tools with the official MCP client. */
export interface DemoAgent {
  call(tool: string, args: Record<string, unknown>): Promise<Outcome>;
  close(): Promise<void>;
}

/** Connects an agent. With no token it sends no credential. */
export async function connectAgent(url: URL, token?: string): Promise<DemoAgent> {
  const client = new Client({ name: "demo-agent", version: "1.0.0" });
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
  return {
    call: async (name, args) => {
      const result = await client.callTool({ name, arguments: args });
      const [first] = result.content;
      const text = first?.type === "text" ? first.text : "";
      const refused = result._meta?.[REFUSAL_META_KEY];
      if (refused !== undefined) return { served: false, code: Refusal.parse(refused).code, text };
      if (result.isError) throw new Error(`the tool failed: ${text}`);
      return { served: true, text };
    },
    close: () => client.close(),
  };
}

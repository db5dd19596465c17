import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { z } from "zod";

const Result = z.looseObject({
  content: z.array(z.looseObject({ text: z.string().optional() })),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().optional(),
  _meta: z.record(z.string(), z.unknown()).optional(),
});
const Refusal = z.looseObject({ code: z.string() });

/** Outcome of a call. */
export interface Called {
  readonly text: string;
  readonly structured: unknown;
  readonly isError: boolean;
  /** The refusal's code; undefined where the call was served. */
  readonly refused: string | undefined;
}

/** A connection to an example's server. */
export interface Connection {
  call(tool: string, args?: Record<string, unknown>): Promise<Called>;
  close(): Promise<void>;
}

/** Any transport of the official client. */
export type Transport = Parameters<Client["connect"]>[0];

/** Connects the official MCP client over HTTP, with a token or without a credential. */
export function connectHttp(url: URL, token?: string): Promise<Connection> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
}

/** Connects the official MCP client. */
export async function connect(transport: Transport): Promise<Connection> {
  const client = new Client({ name: "test", version: "1.0.0" });
  await client.connect(transport);
  return {
    async call(name, args = {}) {
      const {
        content,
        structuredContent,
        isError = false,
        _meta,
      } = Result.parse(await client.callTool({ name, arguments: args }));
      const refusal = _meta?.["com.licentric/refusal"];
      return {
        text: content[0]?.text ?? "",
        structured: structuredContent,
        isError,
        refused: refusal === undefined ? undefined : Refusal.parse(refusal).code,
      };
    },
    close: () => client.close(),
  };
}

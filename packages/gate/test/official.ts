import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as HttpV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { onTestFinished } from "vitest";

const PROGRAM = fileURLToPath(new URL("./servers/sdk-server.mjs", import.meta.url));

/** A stdio server of an official SDK. */
export function sdkStdio(kind: "v1-stdio" | "v2-stdio") {
  return { command: process.execPath, args: [PROGRAM, kind] };
}

/** A server of an official SDK that listens, and can be killed. */
export interface SdkHttp {
  readonly url: string;
  readonly port: number;
  kill(): Promise<void>;
}

/** Starts a server of an official SDK that listens. */
export async function sdkHttp(kind: "v1-sessions" | "v1-stateless" | "v2", port = 0): Promise<SdkHttp> {
  const child: ChildProcess = spawn(process.execPath, [PROGRAM, kind, String(port)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line]: unknown[] = await once(child.stdout ?? child, "data");
  const listening = Number(String(line));
  return {
    url: `http://127.0.0.1:${listening}/mcp`,
    port: listening,
    async kill() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

/** What a test asks of an official client. */
export interface OfficialClient {
  readonly version: string | undefined;
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<string>;
  /** Resolves when the server says that its tools changed. */
  readonly listChanged: Promise<void>;
  close(): Promise<void>;
}

interface CallOptions {
  readonly onprogress?: () => void;
  readonly signal?: AbortSignal;
}

const info = { name: "client", version: "1" };
const headers = { authorization: "Bearer AGT-agents" };
const textOf = (result: unknown): string => JSON.parse(JSON.stringify(result)).content[0].text;

/** Connects the client of SDK v1. */
export async function clientV1(url: string): Promise<OfficialClient> {
  const client = new ClientV1(info, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { city: "Rome" } }));
  const listChanged = new Promise<void>((resolve) =>
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => resolve()),
  );
  const transport = new HttpV1(new URL(url), { requestInit: { headers } });
  // The SDK's own class does not fit its own interface under exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<ClientV1["connect"]>[0]);
  onTestFinished(() => client.close());
  return {
    version: transport.protocolVersion,
    call: async (name, args = {}, options = {}) =>
      textOf(await client.callTool({ name, arguments: args }, undefined, options)),
    listChanged,
    async close() {
      await transport.terminateSession();
      await client.close();
    },
  };
}

/** Connects the client of SDK v2, of the era without sessions where the server has it. */
export async function clientV2(url: string, mode: "auto" | "legacy" = "auto"): Promise<OfficialClient> {
  const client = new ClientV2(info, {
    capabilities: { elicitation: {} },
    versionNegotiation: { mode },
  });
  client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { city: "Rome" } }));
  const listChanged = new Promise<void>((resolve) =>
    client.setNotificationHandler("notifications/tools/list_changed", () => resolve()),
  );
  const transport = new HttpV2(new URL(url), { requestInit: { headers } });
  await client.connect(transport);
  onTestFinished(() => client.close());
  return {
    version: client.getNegotiatedProtocolVersion(),
    call: async (name, args = {}, options = {}) =>
      textOf(await client.callTool({ name, arguments: args }, options)),
    listChanged,
    async close() {
      await transport.terminateSession();
      await client.close();
    },
  };
}

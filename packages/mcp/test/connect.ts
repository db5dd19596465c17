import { type ClientOptions as ClientOptionsV2, Client as ClientV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport as MemoryV1 } from "@modelcontextprotocol/sdk/inMemory.js";
import type { Server as LowServerV1 } from "@modelcontextprotocol/sdk/server/index.js";
import type { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import {
  type Server as LowServerV2,
  type McpServer as McpServerV2,
  InMemoryTransport as MemoryV2,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const info = { name: "client", version: "1" };

/** Connects the official v1 client in memory. */
export async function connectV1(
  server: McpServerV1 | LowServerV1,
  client = new ClientV1(info),
): Promise<ClientV1> {
  const [near, far] = MemoryV1.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  return client;
}

/** Connects the official v2 client in memory, by protocol 2025-11-25. */
export async function connectV2(
  server: McpServerV2 | LowServerV2,
  options: ClientOptionsV2 = {},
  prepare: (client: ClientV2) => void = () => undefined,
): Promise<ClientV2> {
  const client = new ClientV2(info, options);
  prepare(client);
  const [near, far] = MemoryV2.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  return client;
}

/** Connects the official v2 client in memory, by protocol 2026-07-28. */
export async function connectModern(
  build: () => McpServerV2,
  options: ClientOptionsV2 = {},
  prepare: (client: ClientV2) => void = () => undefined,
): Promise<ClientV2> {
  const client = new ClientV2(info, { ...options, versionNegotiation: { mode: "auto" } });
  prepare(client);
  const [near, far] = MemoryV2.createLinkedPair();
  serveStdio(build, { transport: far });
  await client.connect(near);
  return client;
}

/** The refusal in a result. */
export function refusalOf(result: object): unknown {
  const { _meta } = z.looseObject({ _meta: z.record(z.string(), z.unknown()).optional() }).parse(result);
  return _meta?.["com.licentric/refusal"];
}

/** A text result. */
export function text(value: string) {
  return { content: [{ type: "text" as const, text: value }] };
}

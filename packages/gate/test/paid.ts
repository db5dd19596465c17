import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { onTestFinished } from "vitest";
import type { Api } from "../../mcp/test/api.ts";
import { type Gate, type GateOptions, startGate } from "../src/start-gate.ts";

/** A folder that is gone when the test is over. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "licentric-gate-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A gate before an upstream, billed by the API, and what it told its owner. */
export async function openPaidGate(
  api: Pick<Api, "url">,
  options: Omit<GateOptions, "say">,
): Promise<Gate & { readonly said: string[] }> {
  const said: string[] = [];
  const gate = await startGate({
    port: 0,
    baseUrl: api.url,
    ...options,
    say: (sentence) => void said.push(sentence),
  });
  onTestFinished(() => gate.close());
  return { ...gate, said };
}

/** A stdio upstream that writes down what it is sent. */
export function recorded(command: string, args: readonly string[]) {
  const file = join(scratchFolder(), "sent.jsonl");
  const program = fileURLToPath(new URL("./servers/recorder.mjs", import.meta.url));
  return {
    upstream: { command: process.execPath, args: [program, file, command, ...args] },
    /** The names of the tools whose calls it was sent. */
    called(): string[] {
      const text = existsSync(file) ? readFileSync(file, "utf8") : "";
      return text
        .split("\n")
        .filter((line) => line.includes('"tools/call"'))
        .map((line) => JSON.parse(line).params.name);
    },
  };
}

/** Connects the official client, with an agent's token or without. */
export async function connect(
  url: string,
  token?: string,
  mode: "auto" | "legacy" = "auto",
): Promise<Client> {
  const client = new Client({ name: "agent", version: "1" }, { versionNegotiation: { mode } });
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  onTestFinished(() => client.close());
  return client;
}

/** Arguments that fit a tool's input schema: of each property that it needs, the least. */
export function sampleOf(schema: unknown): Record<string, unknown> {
  const { properties = {}, required = [] } = isSchema(schema) ? schema : {};
  return Object.fromEntries(required.map((name) => [name, sampleValue(properties[name])]));
}

interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly minItems?: number;
  readonly items?: unknown;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null;
}

function sampleValue(schema: unknown): unknown {
  if (!isSchema(schema)) return "a";
  if (schema.default !== undefined) return schema.default;
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.type === "object") return sampleOf(schema);
  if (schema.type === "array") return schema.minItems === undefined ? [] : [sampleValue(schema.items)];
  if (schema.type === "boolean") return true;
  if (schema.type === "number" || schema.type === "integer") return schema.minimum ?? 1;
  return "a";
}

import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { GateLimits, HttpFront, HttpFrontOptions, Rules, UpstreamOptions } from "../src/exchange.ts";
import { openHttpFront } from "../src/http/http-front.ts";

/** Rules that let everything through. */
export const PASS_ALL: Rules = {
  admit: () => undefined,
  isOwned: () => true,
  page: () => undefined,
  request: async (_request, send) => ({ text: (await send()).text }),
  notification: () => true,
};

/** The odd server, and what it has read so far. */
export function oddServer(env: Record<string, string> = {}) {
  const log = join(tmpdir(), `gate-odd-${randomUUID()}.log`);
  onTestFinished(() => rmSync(log, { force: true }));
  const path = fileURLToPath(new URL("./servers/odd-server.mjs", import.meta.url));
  return {
    upstream: { command: process.execPath, args: [path], env: { ODD_LOG: log, ...env } },
    lines: () => (existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(0, -1) : []),
  };
}

/** A gate that is closed when the test is over, and what it told its owner. */
export async function openGate(
  upstream: UpstreamOptions,
  options: Partial<Omit<HttpFrontOptions, "upstream">> & { readonly limits?: GateLimits } = {},
): Promise<HttpFront & { readonly said: string[] }> {
  const said: string[] = [];
  const front = await openHttpFront({
    upstream,
    rules: PASS_ALL,
    port: 0,
    say: (sentence) => void said.push(sentence),
    ...options,
  });
  onTestFinished(() => front.close());
  return { ...front, said };
}

/** A client that sends texts and reads texts. */
export interface RawClient {
  readonly url: string;
  session: string | undefined;
  post(text: string, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>;
  get(headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>;
}

/** The header of everything that a client sends. */
const ACCEPT = { accept: "application/json, text/event-stream" };

/** Makes a client that has said nothing yet. */
export function rawClient(url: string): RawClient {
  const client: RawClient = {
    url,
    session: undefined,
    post: (text, headers, signal) =>
      fetch(url, {
        method: "POST",
        body: text,
        headers: { ...ACCEPT, "content-type": "application/json", ...sessionOf(client), ...headers },
        signal: signal ?? null,
      }),
    get: (headers, signal) =>
      fetch(url, {
        headers: { accept: "text/event-stream", ...sessionOf(client), ...headers },
        signal: signal ?? null,
      }),
  };
  return client;
}

function sessionOf({ session }: RawClient): Record<string, string> {
  return session === undefined ? {} : { "mcp-session-id": session };
}

/** The request that begins a session. */
export function initializeText(version = "2025-11-25", id: string | number = 0): string {
  const params = { protocolVersion: version, capabilities: {}, clientInfo: { name: "raw", version: "0" } };
  return JSON.stringify({ jsonrpc: "2.0", id, method: "initialize", params });
}

/** Makes a client whose session has begun; `headers` are those of the request that begins it. */
export async function connectedClient(
  url: string,
  version?: string,
  headers: Record<string, string> = {},
): Promise<RawClient> {
  const client = rawClient(url);
  const response = await client.post(initializeText(version), headers);
  await response.text();
  client.session = response.headers.get("mcp-session-id") ?? undefined;
  await client.post('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  return client;
}

/** Returns whether a process runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The text of a call. */
export function callText(id: string | number, name: string, args: object = {}, meta?: object): string {
  const params = { name, arguments: args, ...(meta !== undefined && { _meta: meta }) };
  return JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params });
}

/** An event as it came. */
export interface RawEvent {
  readonly id: string | undefined;
  readonly data: string;
}

/** Reads the events of a response as they come. */
export async function* eventsOf(response: Response): AsyncGenerator<RawEvent> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = block
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]);
      const data = fields.filter(([name]) => name === "data").map(([, value]) => value);
      if (data.length > 0) yield { id: fields.find(([name]) => name === "id")?.[1], data: data.join("\n") };
    }
  }
}

/** Returns the messages of a whole response: its events with data, or its body. */
export async function messagesOf(response: Response): Promise<string[]> {
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return [await response.text()];
  const texts: string[] = [];
  for await (const { data } of eventsOf(response)) if (data !== "") texts.push(data);
  return texts;
}

/** Returns the last message of a response, parsed. */
export async function lastMessage(response: Response) {
  return JSON.parse((await messagesOf(response)).at(-1) ?? "null");
}

/** Waits until a condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, limit = 30_000): Promise<void> {
  const end = Date.now() + limit;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error("what the test waits for did not come");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

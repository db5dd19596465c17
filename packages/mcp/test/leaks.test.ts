import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { createPaywall, type PaywallEvents, type PaywallOptions } from "../src/index.ts";
import { fileJournal } from "../src/journal.ts";
import { text } from "./connect.ts";

const TOKEN = "AGT-s3cr3t-0f-4n-4g3nt-w0w";
const API_KEY = "lk_test_s3cr3t0f4n0wn3rw0w";

const http = (status: number, body: string, headers = "") =>
  `HTTP/1.1 ${status} X\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n${headers}\r\n${body}`;

/** Answers that repeat the secret that they were sent, in each way in which an answer can be wrong. */
const ECHOES: Readonly<Record<string, (secret: string, sent: string) => string>> = {
  nothing: () => "",
  "what is no HTTP": (_, sent) => sent,
  "a header that is none": (secret) => `HTTP/1.1 200 OK\r\n${secret}\r\n\r\n`,
  "a body that is cut short": (secret) => `HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{"data":"${secret}`,
  "a page": (secret) => http(200, `<html>Bearer ${secret}</html>`),
  "another shape": (secret) => http(200, JSON.stringify({ data: { accountId: [secret], [secret]: 1 } })),
  "a redirect": (secret) => http(302, "", `location: https://example.com/${secret}?key=${secret}\r\n`),
  "an error that quotes it": (secret) => {
    const issues = [{ path: [secret], message: `not ${secret}`, code: secret }];
    const details = { issues, [secret]: { secret } };
    return http(400, JSON.stringify({ error: `not ${secret}`, code: secret, details, requestId: secret }));
  },
  "a failure": (secret, sent) => http(500, sent, `x-request-id: ${secret}\r\ncontent-type: ${secret}\r\n`),
};

const VERIFIED = http(200, '{"data":{"accountId":"acc_1","agentId":"agt_1","scopes":[]}}');

/** Everything that a paywall tells of calls to an API at `baseUrl`, to whomever. */
async function everythingToldOf(baseUrl: string, options: PaywallOptions): Promise<string> {
  const told: unknown[] = [];
  const listen = (chunk: unknown) => {
    told.push(String(chunk));
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(listen),
    vi.spyOn(process.stderr, "write").mockImplementation(listen),
    vi.spyOn(process, "emitWarning").mockImplementation(listen),
  ];
  const directory = await mkdtemp(join(tmpdir(), "licentric-leaks-"));
  const journal = fileJournal({ directory, flushInterval: 1 });
  const paywall = createPaywall({
    baseUrl,
    apiKey: API_KEY,
    token: () => TOKEN,
    timeout: 200,
    journal,
    ...options,
  });
  const failed: PaywallEvents["failed"][] = [];
  paywall.on("failed", (event) => failed.push(event));
  for (const type of ["verified", "denied", "metered", "delivered"] as const)
    paywall.on(type, (event) => told.push(event));
  for (const charge of ["call", "success", "reserve"] as const) {
    const handler = paywall.tool({ meterName: "api_calls", charge }, async (_extra: object) => text("ran"));
    told.push(await handler({}));
  }
  const request = new Request("https://example.com/mcp", { headers: { authorization: `Bearer ${TOKEN}` } });
  const answer = await paywall.requireBearerAuth({ resource: request.url })(request);
  if (answer instanceof Response) told.push([...answer.headers], await answer.text());
  told.push(
    await paywall
      .verifier()
      .verifyAccessToken(TOKEN)
      .then(
        () => "let in",
        (error: unknown) => error,
      ),
  );
  await vi.waitFor(() => expect(failed).not.toEqual([]));
  await paywall.close({ timeout: 20 });
  for (const spy of spies) spy.mockRestore();
  await rm(directory, { recursive: true, force: true });
  return inspect([told, failed, paywall], { depth: null, showHidden: true, maxStringLength: null });
}

const expectNoSecret = (told: string) => {
  expect(told).not.toContain(TOKEN.slice(4, -4));
  expect(told).not.toContain(API_KEY.slice(8, -4));
};

describe.each([
  ["its agents' calls", "/mcp/", {}],
  ["its journal", "/usage/", { metering: "background" }],
] as const)("a paywall tells no secret of %s", (_, broken, options) => {
  it.each(Object.entries(ECHOES))("where the API answers %s", async (_, echo) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", (data) => {
        const sent = data.toString("latin1");
        const secret = sent.includes(API_KEY) ? API_KEY : TOKEN;
        socket.end(sent.split("\r\n", 1)[0]?.includes(broken) ? echo(secret, sent) : VERIFIED);
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    expectNoSecret(await everythingToldOf(`http://127.0.0.1:${port}`, options));
    server.close();
  });
});

it.each(["http://127.0.0.1:9", "https://127.0.0.1:9", "http://nowhere.invalid"])(
  "a paywall tells no secret where it reaches nobody: %s",
  async (baseUrl) => {
    expectNoSecret(await everythingToldOf(baseUrl, { onUnavailable: "allow" }));
  },
);

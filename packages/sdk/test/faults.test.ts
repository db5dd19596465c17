import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import { Agent, interceptors } from "undici";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { platform } from "#platform";
import {
  AbortError,
  ConnectionError,
  Licentric,
  LicentricError,
  ResponseValidationError,
  TimeoutError,
} from "../src/index.ts";
import { clientFor, errorOf, TEST_TOKEN } from "./client-for.ts";

// A server of bare sockets, which breaks in every way in which a network does. Each connection plays the next
// fault; when there is none left, it answers well.

/** Over a `fetch` the connections are the runtime's. */
const keepsPool = platform.openTransport !== undefined;

type Fault = (socket: Socket, request: string) => void;

const body = JSON.stringify({ data: { accountId: "acc_1", agentId: "agt_1", scopes: [] } });
const head = (length: number) =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
const wellAnswered: Fault = (socket) => socket.write(head(body.length) + body);

let server: Server;
let url: string;
let faults: Fault[];
let requests: string[];
let sockets: Set<Socket>;

beforeEach(async () => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  faults = [];
  requests = [];
  sockets = new Set();
  server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    socket.on("end", () => socket.end());
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk;
      const length = Number(/content-length: (\d+)/.exec(received)?.[1] ?? 0);
      if (received.length < received.indexOf("\r\n\r\n") + 4 + length) return;
      const request = received;
      received = "";
      requests.push(request);
      (faults.shift() ?? wellAnswered)(socket, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  vi.restoreAllMocks();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const keyOf = (request: string) => /idempotency-key: (\S+)/.exec(request)?.[1];
const verify = (options: object = {}) =>
  clientFor(url).mcp.verify(TEST_TOKEN, { meterName: "api_calls" }, options);

const FAULTS: [string, Fault][] = [
  ["closed before any answer", (socket) => socket.end()],
  ["reset before any answer", (socket) => socket.resetAndDestroy()],
  [
    "reset in mid-headers",
    (socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-ty", () => socket.resetAndDestroy()),
  ],
  [
    "reset in mid-answer",
    (socket) => socket.write(head(body.length) + body.slice(0, 20), () => socket.resetAndDestroy()),
  ],
  ["closed in mid-answer, truncating it", (socket) => socket.end(head(body.length) + body.slice(0, 20))],
  [
    "closed in the middle of a chunk",
    (socket) =>
      socket.end(
        `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body.slice(0, 9)}`,
      ),
  ],
  ["no HTTP at all", (socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n")],
  [
    "answered with two lengths",
    (socket) => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab`),
  ],
];

describe("a connection that is", () => {
  it.each(FAULTS)("%s is tried again with the same idempotency key", async (_, fault) => {
    faults = [fault, fault];
    expect(await verify()).toEqual({ accountId: "acc_1", agentId: "agt_1", scopes: [] });
    expect(requests).toHaveLength(3);
    expect(new Set(requests.map(keyOf)).size).toBe(1);
    expect(keyOf(requests[0] ?? "")).toMatch(/^[\da-f-]{36}$/);
  });

  it.each(FAULTS)("%s every time is a ConnectionError with the cause", async (_, fault) => {
    faults = [fault, fault, fault];
    const error = await errorOf(verify());
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ status: undefined, cause: expect.any(Error) });
    expect(error).toMatchObject({ idempotencyKey: keyOf(requests[0] ?? "") });
    expect(error instanceof Error && error.message).toContain(url);
    expect(requests).toHaveLength(3);
  });

  const secret = `{"data":{"token":"${TEST_TOKEN}"}}`;
  it.each([
    ["not HTTP", secret],
    ["a malformed header", `HTTP/1.1 200 OK\r\nx y: ${secret}\r\n\r\n`],
    ["a malformed chunk", `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n${secret}`],
    ["text that is not JSON", `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n${TEST_TOKEN}`],
  ])("answered with a secret in %s gives an error that does not show it", async (_, answer) => {
    faults = [(socket) => socket.end(answer)];
    const error = await errorOf(verify({ maxRetries: 0 }));
    expect(error).toBeInstanceOf(LicentricError);
    const shown = inspect(error, { depth: 20, showHidden: true });
    expect(shown).not.toContain(TEST_TOKEN.slice(0, 9));
  });

  it("closed by the server while idle does not fail the next call", async () => {
    const client = clientFor(url);
    faults = [
      (socket) => {
        socket.write(head(body.length) + body);
        setTimeout(() => socket.end(), 20);
      },
    ];
    await client.mcp.verify(TEST_TOKEN);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await client.mcp.verify(TEST_TOKEN, {}, { maxRetries: 0 });
    expect(requests).toHaveLength(2);
  });

  it("half-closed together with the answer still gives the answer", async () => {
    faults = [(socket) => socket.end(head(body.length) + body)];
    expect(await verify({ maxRetries: 0 })).toMatchObject({ agentId: "agt_1" });
  });
});

describe("a server that is too slow", () => {
  const slow: [string, Fault][] = [
    ["to answer at all", () => {}],
    ["in mid-headers", (socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-")],
    ["in mid-answer", (socket) => socket.write(head(body.length) + body.slice(0, 20))],
    [
      "because it drips",
      (socket) => {
        const timer = setInterval(() => socket.write("x-a: b\r\n"), 10);
        socket.write("HTTP/1.1 200 OK\r\n");
        socket.on("close", () => clearInterval(timer));
      },
    ],
  ];

  it.each(slow)("%s is a TimeoutError, after as many tries as are allowed", async (_, fault) => {
    faults = [fault, fault, fault];
    // Counted by the client: on a busy machine a try may end before its request has reached the server.
    const warn = vi.fn();
    const client = clientFor(url, { logger: { debug() {}, info() {}, warn, error() {} } });
    const error = await errorOf(
      client.mcp.verify(TEST_TOKEN, {}, { timeout: 100, maxRetries: 1, deadline: 60_000 }),
    );
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ code: "ETIMEDOUT", message: expect.stringMatching(/within 100 ms/) });
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it("is tried again, and may be faster then", async () => {
    faults = [() => {}];
    expect(await verify({ timeout: 500, deadline: 5_000 })).toMatchObject({ agentId: "agt_1" });
    expect(new Set(requests.map(keyOf)).size).toBe(1);
  });

  it("is waited for no longer than the deadline in all", async () => {
    faults = Array(9).fill(() => {});
    const started = performance.now();
    const error = await errorOf(verify({ timeout: 10_000, deadline: 300, maxRetries: 9 }));
    expect(error).toMatchObject({
      name: "TimeoutError",
      message: expect.stringMatching(/deadline of 300 ms/),
    });
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(requests).toHaveLength(1);
  });

  it("is not asked again by a timer that fired a moment before the deadline", async () => {
    const start = performance.now();
    let elapsed = 0;
    vi.spyOn(performance, "now").mockImplementation(() => start + elapsed);
    faults = [
      () => {
        elapsed = 299.5;
      },
    ];
    const error = await errorOf(verify({ timeout: 10_000, deadline: 300 }));
    expect(error).toMatchObject({ message: expect.stringMatching(/deadline of 300 ms leaves no time/) });
    expect(requests).toHaveLength(1);
  });

  it("is left alone when the signal fires", async () => {
    faults = [() => {}];
    const controller = new AbortController();
    const call = verify({ signal: controller.signal });
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    controller.abort(new Error("user left"));
    expect(await errorOf(call)).toMatchObject({ name: "AbortError", cause: { message: "user left" } });
    await vi.waitFor(() => expect(sockets.size).toBe(0));
    expect(requests).toHaveLength(1);
  });

  it("and a signal of its own kind of timeout is still the caller's abort", async () => {
    faults = [() => {}];
    expect(await errorOf(verify({ signal: AbortSignal.timeout(50) }))).toBeInstanceOf(AbortError);
  });
});

describe("an answer without end", () => {
  const chunk = "x".repeat(65_536);
  const endless =
    (status: number): Fault =>
    (socket) => {
      socket.write(`HTTP/1.1 ${status} X\r\ntransfer-encoding: chunked\r\n\r\n`);
      const write = () => {
        while (!socket.destroyed && socket.write(`10000\r\n${chunk}\r\n`));
      };
      socket.on("drain", write);
      write();
    };

  it("is read up to a limit, then its connection is closed and the error says so", async () => {
    faults = [endless(200)];
    const before = process.memoryUsage.rss();
    const error = await errorOf(verify({ timeout: 20_000, maxRetries: 0 }));
    expect(error).toBeInstanceOf(ResponseValidationError);
    expect(error).toMatchObject({
      status: 200,
      message: expect.stringMatching(
        /POST \/api\/v1\/mcp\/verify answered 200 with more than 33554432 bytes.*baseUrl.*maxResponseBytes/,
      ),
    });
    // The limit is held once in pieces; the rest is what the server in this process holds.
    expect(process.memoryUsage.rss() - before).toBeLessThan(150 * 1_048_576);
    await vi.waitFor(() => expect(sockets.size).toBe(0));
    expect(requests).toHaveLength(1);
  });

  it("that is no success is an error of its status, with the beginning of the page", async () => {
    faults = [endless(502)];
    const error = await errorOf(verify({ timeout: 20_000, maxRetries: 0 }));
    expect(error).toMatchObject({
      name: "InternalServerError",
      status: 502,
      answeredByApi: false,
      message: expect.stringContaining("xxx"),
    });
    await vi.waitFor(() => expect(sockets.size).toBe(0));
  });

  it.each(["client", "call"])("has the limit of the %s", async (whose) => {
    const small = { maxResponseBytes: body.length - 1 };
    const exact = { maxResponseBytes: body.length };
    const ask = (limit: { maxResponseBytes: number }) =>
      whose === "client"
        ? clientFor(url, limit).mcp.verify(TEST_TOKEN)
        : clientFor(url).mcp.verify(TEST_TOKEN, {}, limit);
    expect(await errorOf(ask(small))).toBeInstanceOf(ResponseValidationError);
    expect(await ask(exact)).toMatchObject({ agentId: "agt_1" });
  });

  it.each([0, -1, 1.5, Number.NaN])("has no limit of %d bytes", async (maxResponseBytes) => {
    const message = "maxResponseBytes must be a whole number of bytes, 1 or more.";
    expect(() => clientFor(url, { maxResponseBytes })).toThrow(message);
    expect(await errorOf(verify({ maxResponseBytes }))).toMatchObject({ message });
  });

  it("counts as it is when decompressed", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1_048_576, " "));
    faults = [
      (socket) => {
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`,
        );
        socket.write(bomb);
      },
    ];
    const agent = new Agent();
    onTestFinished(() => agent.destroy());
    // A `fetch` decompresses by itself.
    const options = keepsPool ? { dispatcher: agent.compose(interceptors.decompress()) } : {};
    const error = await errorOf(clientFor(url, { ...options, maxRetries: 0 }).mcp.verify(TEST_TOKEN));
    expect(error).toMatchObject({
      name: "ResponseValidationError",
      message: expect.stringContaining("more than 33554432 bytes"),
    });
  });
});

describe("a server that is not there", () => {
  it("is tried again, and then the error says what to look at", async () => {
    await new Promise((resolve) => server.close(resolve));
    const warn = vi.fn();
    const logger = { debug() {}, info() {}, warn, error() {} };
    const error = await errorOf(clientFor(url, { logger }).mcp.verify(TEST_TOKEN));
    expect(error).toMatchObject({
      name: "ConnectionError",
      code: "ECONNREFUSED",
      message: expect.stringMatching(/connection failed.*Is the API running, and is baseUrl right\?/),
    });
    expect(warn).toHaveBeenCalledTimes(2);
    server = createServer().listen(0);
  });
});

describe("connections", () => {
  it("are kept and used again, one request at a time on each", async () => {
    const client = clientFor(url);
    for (const _ of [1, 2, 3]) await client.mcp.verify(TEST_TOKEN);
    // undici may open a second one while it still tidies the first up; never one per request.
    expect(sockets.size).toBeLessThanOrEqual(2);
    const busy = new Map<Socket, number>();
    faults = Array(8).fill((socket: Socket) => {
      busy.set(socket, (busy.get(socket) ?? 0) + 1);
      expect(busy.get(socket)).toBe(1);
      setTimeout(() => {
        busy.set(socket, 0);
        socket.write(head(body.length) + body);
      }, 30);
    });
    await Promise.all(faults.map(() => client.mcp.verify(TEST_TOKEN)));
    expect(sockets.size).toBeGreaterThanOrEqual(8);
  });

  it("carry no call that would wait there for another's answer", async () => {
    const client = clientFor(url);
    const asked: Socket[] = [];
    const hangs: Fault = (socket) => void asked.push(socket);
    await client.mcp.verify(TEST_TOKEN);
    faults = [hangs, hangs];
    const controller = new AbortController();
    const get = () => errorOf(client.agents.get("agt_1", { signal: controller.signal }));
    const first = get();
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    const second = get();
    await vi.waitFor(() => expect(asked).toHaveLength(2));
    expect(new Set(asked).size).toBe(2);
    controller.abort();
    await Promise.all([first, second]);
  });

  it("are closed by close(), after the answers that are on their way", async () => {
    const client = clientFor(url);
    faults = [(socket) => setTimeout(() => socket.write(head(body.length) + body), 50)];
    const call = client.mcp.verify(TEST_TOKEN);
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    await client.close();
    expect(await call).toMatchObject({ agentId: "agt_1" });
    if (keepsPool) await vi.waitFor(() => expect(sockets.size).toBe(0));
    await client.close();
    expect(await errorOf(client.mcp.verify(TEST_TOKEN))).toMatchObject({
      name: "LicentricError",
      message: expect.stringMatching(/^The client is closed/),
    });
  });

  it.runIf(keepsPool)("are closed at the end of a block that uses the client", async () => {
    {
      await using client = new Licentric({ apiKey: null, baseUrl: url });
      await client.mcp.verify(TEST_TOKEN);
      expect(sockets.size).toBeGreaterThan(0);
    }
    await vi.waitFor(() => expect(sockets.size).toBe(0));
  });
});

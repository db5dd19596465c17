import { HttpResponse, http } from "msw";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { platform } from "#platform";
import { AbortError, LicentricError, type Logger } from "../src/index.ts";
import { clientFor, errorOf, TEST_TOKEN } from "./client-for.ts";
import { type HandlerServer, serveHandlers } from "./serve-handlers.ts";

const VERIFIED = { accountId: "acc_1", agentId: "agt_1", scopes: ["mcp:invoke"] };
const success = () => HttpResponse.json({ data: VERIFIED });
const refusal = (status: number, headers: Record<string, string> = {}) =>
  HttpResponse.json({ error: "not now" }, { status, headers });

let server: HandlerServer;
let answers: (() => Response)[];

beforeEach(async () => {
  // No jitter: the least delay of every try, which is none where the server names no time.
  vi.spyOn(Math, "random").mockReturnValue(0);
  answers = [];
  server = await serveHandlers([http.post("*/api/v1/mcp/verify", () => (answers.shift() ?? success)())]);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await server.close();
});

const keys = () => new Set(server.requests.map(({ headers }) => headers.get("idempotency-key")));

describe("a failed try", () => {
  it.each([408, 425, 429, 500, 502, 503, 504])(
    "with %i is repeated, with the same idempotency key and body",
    async (status) => {
      answers = [() => refusal(status), () => refusal(status)];
      const { attempts } = await clientFor(server.url)
        .mcp.verify(TEST_TOKEN, { meterName: "api_calls" })
        .withResponse();
      expect(attempts).toBe(3);
      expect(server.requests).toHaveLength(3);
      expect(keys().size).toBe(1);
      expect(server.requests.map(({ body }) => body)).toEqual(Array(3).fill({ meterName: "api_calls" }));
    },
  );

  it("is repeated under the caller's own idempotency key", async () => {
    answers = [() => refusal(500)];
    await clientFor(server.url).mcp.verify(TEST_TOKEN, {}, { idempotencyKey: "mine" });
    expect(keys()).toEqual(new Set(["mine"]));
  });

  it("that was the last tells the key under which the server may have acted", async () => {
    answers = Array(9).fill(() => refusal(500));
    const random = await errorOf(clientFor(server.url).mcp.verify(TEST_TOKEN));
    expect(random).toBeInstanceOf(LicentricError);
    expect(keys()).toEqual(new Set([random instanceof LicentricError && random.idempotencyKey]));
    const own = await errorOf(clientFor(server.url).mcp.verify(TEST_TOKEN, {}, { idempotencyKey: "mine" }));
    expect(own).toMatchObject({ idempotencyKey: "mine" });
  });

  it.each([400, 401, 402, 403, 404, 409, 413, 422])("with %i is not repeated", async (status) => {
    answers = [() => refusal(status)];
    expect(await errorOf(clientFor(server.url).mcp.verify(TEST_TOKEN))).toMatchObject({ status });
    expect(server.requests).toHaveLength(1);
  });

  it("with 409 is repeated where the server says when to come back", async () => {
    answers = [() => refusal(409, { "retry-after": "0" })];
    expect(await clientFor(server.url).mcp.verify(TEST_TOKEN)).toEqual(VERIFIED);
    expect(server.requests).toHaveLength(2);
  });

  it("is repeated twice and no more, then thrown", async () => {
    answers = Array(9).fill(() => refusal(503));
    expect(await errorOf(clientFor(server.url).mcp.verify(TEST_TOKEN))).toMatchObject({ status: 503 });
    expect(server.requests).toHaveLength(3);
  });

  it.each([0, 1, 4])("is repeated as often as the call allows: %i times", async (maxRetries) => {
    answers = Array(9).fill(() => refusal(503));
    await errorOf(clientFor(server.url, { maxRetries: 7 }).mcp.verify(TEST_TOKEN, {}, { maxRetries }));
    expect(server.requests).toHaveLength(maxRetries + 1);
  });

  it("leaves the connection whole: the next try uses it again", async () => {
    answers = [() => refusal(500), () => refusal(500)];
    await clientFor(server.url).mcp.verify(TEST_TOKEN);
    expect(server.requests).toHaveLength(3);
    expect(new Set(server.requests.map(({ port }) => port)).size).toBe(1);
  });

  it("is told to the logger, once per wait", async () => {
    const warnings: string[] = [];
    const logger: Logger = { debug() {}, info() {}, warn: (line) => void warnings.push(line), error() {} };
    answers = [() => refusal(500), () => refusal(429)];
    await clientFor(server.url, { logger }).mcp.verify(TEST_TOKEN);
    expect(warnings).toEqual([
      "POST /api/v1/mcp/verify: InternalServerError 500; trying again in 0 ms",
      "POST /api/v1/mcp/verify: RateLimitError 429; trying again in 0 ms",
    ]);
  });
});

describe("Retry-After", () => {
  it("in seconds is waited in full", async () => {
    answers = [() => refusal(429, { "retry-after": "1" })];
    const started = performance.now();
    await clientFor(server.url).mcp.verify(TEST_TOKEN);
    expect(performance.now() - started).toBeGreaterThan(990);
  });

  it("as a date is waited in full", async () => {
    const date = "Mon, 23 Nov 2026 12:00:00 GMT";
    answers = [() => refusal(503, { date, "retry-after": "Mon, 23 Nov 2026 12:00:01 GMT" })];
    const started = performance.now();
    await clientFor(server.url).mcp.verify(TEST_TOKEN);
    expect(performance.now() - started).toBeGreaterThan(990);
  });

  it("beyond the deadline is not waited for: the error comes at once and says it", async () => {
    answers = [() => refusal(429, { "retry-after": "3600" })];
    expect(await errorOf(clientFor(server.url).mcp.verify(TEST_TOKEN))).toMatchObject({
      name: "RateLimitError",
      retryAfter: 3_600,
    });
    expect(server.requests).toHaveLength(1);
  });
});

describe("the deadline", () => {
  it("ends tries that would go on", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.999);
    answers = Array(99).fill(() => refusal(503));
    const started = performance.now();
    const call = clientFor(server.url).mcp.verify(TEST_TOKEN, {}, { deadline: 1_200, maxRetries: 99 });
    expect(await errorOf(call)).toMatchObject({ status: 503 });
    // Waits of 0.5 s and 1 s: the second does not fit.
    expect(server.requests).toHaveLength(2);
    expect(performance.now() - started).toBeLessThan(1_200);
  });

  it("that passes during the wait, in a process that wakes late, is followed by no try", async () => {
    const now = performance.now.bind(performance);
    let late = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now() + late);
    // Told right before the wait begins.
    const warn = () => {
      late = 60_000;
    };
    const logger: Logger = { debug() {}, info() {}, warn, error() {} };
    answers = [() => refusal(503)];
    const call = clientFor(server.url, { logger }).mcp.verify(TEST_TOKEN, {}, { deadline: 30_000 });
    expect(await errorOf(call)).toMatchObject({ status: 503 });
    expect(server.requests).toHaveLength(1);
  });

  it("is twice the timeout where none is set, and the client's where that is", async () => {
    const waits = { "retry-after": "1" };
    answers = [() => refusal(503, waits)];
    await errorOf(clientFor(server.url, { timeout: 400 }).mcp.verify(TEST_TOKEN));
    expect(server.requests).toHaveLength(1);
    answers = [() => refusal(503, waits)];
    await errorOf(clientFor(server.url, { deadline: 800 }).mcp.verify(TEST_TOKEN, {}, { timeout: 5_000 }));
    expect(server.requests).toHaveLength(2);
  });
});

describe("an abort", () => {
  it("before the call sends nothing", async () => {
    const error = await errorOf(
      clientFor(server.url).mcp.verify(TEST_TOKEN, {}, { signal: AbortSignal.abort("stop") }),
    );
    expect(error).toBeInstanceOf(AbortError);
    expect(error).toMatchObject({ cause: "stop" });
    expect(server.requests).toEqual([]);
  });

  it("during a wait ends the call at once, and nothing is sent any more", async () => {
    answers = [() => refusal(503, { "retry-after": "20" })];
    const controller = new AbortController();
    const call = clientFor(server.url).mcp.verify(TEST_TOKEN, {}, { signal: controller.signal });
    await vi.waitFor(() => expect(server.requests).toHaveLength(1));
    setTimeout(() => controller.abort(), 20);
    expect(await errorOf(call)).toBeInstanceOf(AbortError);
    expect(server.requests).toHaveLength(1);
  });

  it("during an answer is not retried", async () => {
    const controller = new AbortController();
    const slow = await serveHandlers([
      http.post("*/api/v1/mcp/verify", async () => {
        controller.abort();
        await new Promise((resolve) => setTimeout(resolve, 50));
        return success();
      }),
    ]);
    onTestFinished(() => slow.close());
    const call = clientFor(slow.url).mcp.verify(TEST_TOKEN, {}, { signal: controller.signal });
    expect(await errorOf(call)).toBeInstanceOf(AbortError);
    expect(slow.requests).toHaveLength(1);
  });

  it("leaves no listener on a signal that lives on", async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    answers = [() => refusal(503)];
    await clientFor(server.url).mcp.verify(TEST_TOKEN, {}, { signal });
    expect(added.mock.calls.length).toBe(3);
    expect(removed.mock.calls.length).toBe(3);
  });

  it.runIf(platform.openTransport)("may end many calls at once without a warning of Node's", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => void warnings.push(warning);
    process.on("warning", onWarning);
    onTestFinished(() => void process.off("warning", onWarning));
    const client = clientFor(server.url);
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 20 }, () => client.mcp.verify(TEST_TOKEN, {}, { signal })));
    expect(warnings).toEqual([]);
  });
});

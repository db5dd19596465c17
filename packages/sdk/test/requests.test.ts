import { inspect } from "node:util";
import { delay, HttpResponse, http } from "msw";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { platform } from "#platform";
import packageJson from "../package.json" with { type: "json" };
import {
  AgentToken,
  AuthenticationError,
  Licentric,
  type Logger,
  ResponseValidationError,
  VERSION,
} from "../src/index.ts";
import { clientFor, errorOf, TEST_KEY, TEST_TOKEN } from "./client-for.ts";
import { type HandlerServer, serveHandlers } from "./serve-handlers.ts";

const AGENT = {
  id: "agt_1",
  name: "bot",
  status: "active",
  customerId: null,
  metadata: {},
  createdAt: "2026-11-23T12:00:00.000Z",
  updatedAt: "2026-11-23T12:00:00.000Z",
};
const VERIFIED = { accountId: "acc_1", agentId: "agt_1", scopes: ["mcp:invoke"] };
const page = (data: unknown[], nextCursor: string | null = null) => ({
  data,
  pagination: { nextCursor, hasMore: nextCursor !== null },
});

let server: HandlerServer;
let agentAnswer: () => Response;

beforeEach(async () => {
  agentAnswer = () => HttpResponse.json({ data: AGENT });
  server = await serveHandlers([
    http.get("*/api/v1/agents/:id", () => agentAnswer()),
    http.get("*/api/v1/agents", ({ request }) => {
      const cursor = new URL(request.url).searchParams.get("cursor");
      if (cursor === null) return HttpResponse.json(page([AGENT, { ...AGENT, id: "agt_2" }], "agt_2"));
      if (cursor === "agt_2") return HttpResponse.json(page([{ ...AGENT, id: "agt_3" }], "agt_3"));
      return HttpResponse.json(page([]));
    }),
    http.post("*/api/v1/agents", () => HttpResponse.json({ data: AGENT }, { status: 201 })),
    http.patch("*/api/v1/agents/:id", () => HttpResponse.json({ data: AGENT })),
    http.post("*/api/v1/mcp/verify", () => HttpResponse.json({ data: VERIFIED })),
    http.post("*/api/v1/mcp/authorize", () => HttpResponse.json({ data: { token: TEST_TOKEN } })),
    http.get("*/api/v1/usage/totals", () => HttpResponse.json({ data: [] })),
  ]);
});
afterEach(() => server.close());

const last = () => {
  const request = server.requests.at(-1);
  if (request === undefined) throw new Error("nothing was sent");
  return request;
};

describe("a request", () => {
  it("carries the management key, what it accepts, and who sends it", async () => {
    await clientFor(server.url).agents.get("agt_1");
    expect(last().headers.get("authorization")).toBe(`Bearer ${TEST_KEY}`);
    expect(last().headers.get("accept")).toBe("application/json");
    expect(last().headers.get("user-agent")).toBe(`licentric-sdk/${VERSION} ${platform.name}`);
    expect(VERSION).toBe(packageJson.version);
  });

  it("carries the agent's token in place of the key where a call takes one", async () => {
    await clientFor(server.url).mcp.verify(new AgentToken(TEST_TOKEN), { meterName: "api_calls" });
    expect(last().headers.get("authorization")).toBe(`Bearer ${TEST_TOKEN}`);
    expect(last().body).toEqual({ meterName: "api_calls" });
  });

  it("goes below the base URL's path", async () => {
    await clientFor(`${server.url}/billing/`).agents.get("agt_1");
    expect(last().path).toBe("/billing/api/v1/agents/agt_1");
  });

  it("has an idempotency key of its own if it is a POST, and none otherwise", async () => {
    const client = clientFor(server.url);
    await client.agents.create({ name: "a" });
    const first = last().headers.get("idempotency-key");
    await client.agents.create({ name: "a" });
    expect(first).toMatch(/^[\da-f-]{36}$/);
    expect(last().headers.get("idempotency-key")).not.toBe(first);
    await client.agents.create({ name: "a" }, { idempotencyKey: "mine" });
    expect(last().headers.get("idempotency-key")).toBe("mine");
    await client.agents.create({ name: "a" }, { headers: { "Idempotency-Key": "header" } });
    expect(last().headers.get("idempotency-key")).toBe("header");
    await client.agents.update("agt_1", {});
    expect(last().headers.has("idempotency-key")).toBe(false);
    await client.agents.get("agt_1");
    expect(last().headers.has("idempotency-key")).toBe(false);
  });

  it("has the client's headers, the call's over them, and never another authorization", async () => {
    const client = clientFor(server.url, {
      headers: {
        "X-One": "1",
        "x-two": "2",
        "X-Three": "3",
        Authorization: "Basic x",
        "User-Agent": "mine/1",
      },
    });
    await client.agents.get("agt_1", { headers: { "x-one": "one", "X-Two": undefined, authorization: "y" } });
    expect(last().headers.get("x-one")).toBe("one");
    expect(last().headers.get("x-three")).toBe("3");
    expect(last().headers.get("user-agent")).toBe("mine/1");
    expect(last().headers.has("x-two")).toBe(false);
    expect(last().headers.get("authorization")).toBe(`Bearer ${TEST_KEY}`);
  });

  it("writes lists in a query with commas, and leaves out what is undefined", async () => {
    await clientFor(server.url).usage.totals({ groupBy: ["agent", "day"], meterName: undefined });
    expect(Object.fromEntries(last().search)).toEqual({ groupBy: "agent,day" });
  });

  it("keeps an id in its own segment of the path, whatever is in it", async () => {
    await clientFor(server.url).agents.get("../keys?x=1#y");
    expect(last().path).toBe("/api/v1/agents/..%2Fkeys%3Fx%3D1%23y");
  });

  it.each(["", ".", ".."])("is not sent where the id is %j", async (id) => {
    expect(await errorOf(clientFor(server.url).agents.get(id))).toMatchObject({
      name: "ValidationError",
      issues: [{ path: "agentId" }],
    });
    expect(server.requests).toEqual([]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("is not sent where a quantity is %d", async (quantity) => {
    const error = await errorOf(
      clientFor(server.url).mcp.verify(TEST_TOKEN, { meterName: "api_calls", quantity }),
    );
    expect(error).toMatchObject({ name: "ValidationError", issues: [{ path: "quantity" }] });
    expect(server.requests).toEqual([]);
  });

  it.each(["", "é", "x".repeat(256), "a\nb"])(
    "is not sent where the idempotency key is %j",
    async (idempotencyKey) => {
      const error = await errorOf(clientFor(server.url).agents.create({ name: "a" }, { idempotencyKey }));
      expect(error).toMatchObject({ name: "ValidationError", issues: [{ path: "idempotencyKey" }] });
      expect(server.requests).toEqual([]);
    },
  );

  it("with a header that cannot be sent says so and is not tried again", async () => {
    const error = await errorOf(
      clientFor(server.url).agents.get("agt_1", { headers: { "x-a": "b\r\nx-c: d" } }),
    );
    expect(error).toMatchObject({ name: "LicentricError", message: expect.stringMatching(/cannot be sent/) });
    expect(server.requests).toEqual([]);
  });
});

describe("a credential of the wrong kind is refused before it is sent", () => {
  it.each([
    ["a management key", TEST_KEY, /A management key was passed where an agent's token/],
    ["nothing", "", /token is missing or malformed/],
    ["a token with a line end", `${TEST_TOKEN}\n`, /missing or malformed/],
    ["something else", "Bearer xyz", /missing or malformed/],
  ])("%s as an agent's token", async (_, token, sentence) => {
    const error = await errorOf(clientFor(server.url).mcp.verify(token));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error).toMatchObject({ message: expect.stringMatching(sentence), status: undefined });
    expect(inspect(error)).not.toContain(TEST_KEY);
    expect(server.requests).toEqual([]);
  });

  it("no key, for a call that needs one", async () => {
    const client = clientFor(server.url, { apiKey: null });
    const error = await errorOf(client.agents.get("agt_1"));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error).toMatchObject({ message: expect.stringMatching(/needs a management key.*apiKey: null/) });
    expect(await client.mcp.verify(TEST_TOKEN)).toEqual(VERIFIED);
  });
});

describe("an answer", () => {
  it("comes with status, headers, request id, rate limit and the number of tries, if asked for", async () => {
    agentAnswer = () =>
      HttpResponse.json(
        { data: AGENT },
        {
          headers: {
            "x-request-id": "req_1",
            "x-ratelimit-limit": "100",
            "x-ratelimit-remaining": "42",
            "x-ratelimit-reset": "1800000000",
          },
        },
      );
    const response = await clientFor(server.url).agents.get("agt_1").withResponse();
    expect(response).toMatchObject({
      data: AGENT,
      status: 200,
      requestId: "req_1",
      rateLimit: { limit: 100, remaining: 42, reset: new Date("2027-01-15T08:00:00.000Z") },
      attempts: 1,
    });
    expect(response.headers.get("content-type")).toBe("application/json");
  });

  it("without a rate limit has none", async () => {
    expect((await clientFor(server.url).agents.get("agt_1").withResponse()).rateLimit).toBeUndefined();
  });

  it("keeps members and values that this version does not know", async () => {
    const newer = { ...AGENT, status: "dormant", reputation: { score: 5 } };
    agentAnswer = () => HttpResponse.json({ data: newer, meta: 1 });
    expect(await clientFor(server.url).agents.get("agt_1")).toEqual(newer);
  });

  it("may be longer than what a request may say", async () => {
    const longer = { ...AGENT, name: "n".repeat(5_000), metadata: { note: "x".repeat(5_000) } };
    agentAnswer = () => HttpResponse.json({ data: longer });
    expect(await clientFor(server.url).agents.get("agt_1")).toEqual(longer);
  });

  it("with a number that JavaScript cannot hold is an error: it would be another number", async () => {
    const text = JSON.stringify({ data: [{ meterName: "pages", quantity: 0, eventCount: 1 }] });
    const api = await serveHandlers([
      http.get("*/api/v1/usage/totals", () => new HttpResponse(text.replace(":0", ":9007199254740993"))),
    ]);
    onTestFinished(() => api.close());
    expect(await errorOf(clientFor(api.url).usage.totals())).toMatchObject({
      name: "ResponseValidationError",
      message: expect.stringContaining("data.0.quantity"),
    });
  });

  it("keeps unknown members of parts that requests hold strictly", async () => {
    const price = { model: "per_unit", unitPrice: "0.1", taxCode: "txcd_1" };
    const meter = { ...AGENT, name: "pages", displayName: "Pages", unit: "page", price };
    const other = await serveHandlers([
      http.get("*/api/v1/meters/:id", () => HttpResponse.json({ data: meter })),
    ]);
    onTestFinished(() => other.close());
    expect((await clientFor(other.url).meters.get("mtr_1")).price).toEqual(price);
  });

  it.each([
    [{ data: { ...AGENT, name: undefined } }, /data\.name: .*expected string, received undefined/],
    [{ data: { ...AGENT, status: 7 } }, /data\.status/],
    [{ data: null }, /data: .*expected object, received null/],
    [{ agent: AGENT }, /data: .*expected object, received undefined/],
    [["hello"], /expected object, received array/],
  ])("%j is an error that names what is wrong", async (body, sentence) => {
    agentAnswer = () => HttpResponse.json(body, { headers: { "x-request-id": "req_1" } });
    expect(await errorOf(clientFor(server.url).agents.get("agt_1"))).toMatchObject({
      name: "ResponseValidationError",
      message: expect.stringMatching(sentence),
      status: 200,
      requestId: "req_1",
    });
    expect(server.requests).toHaveLength(1);
  });

  it("that is a page of somebody else's says so", async () => {
    agentAnswer = () => HttpResponse.html("<html><script>x()</script><h1>Welcome to nginx!</h1></html>");
    expect(await errorOf(clientFor(server.url).agents.get("agt_1"))).toMatchObject({
      name: "ResponseValidationError",
      message: expect.stringMatching(
        /answered 200 with something that is not JSON \(text\/html.*"Welcome to nginx!".*baseUrl/,
      ),
    });
  });

  it("that is JSON cut short is not quoted: what is in it is nobody's but yours", async () => {
    agentAnswer = () =>
      new HttpResponse('{"data":{"name":"Jane Doe', { headers: { "content-type": "application/json" } });
    const error = await errorOf(clientFor(server.url).agents.get("agt_1"));
    expect(error).toMatchObject({ message: expect.stringMatching(/not JSON \(application\/json\)\./) });
    expect(inspect(error, { depth: 9 })).not.toContain("Jane");
  });

  it("of authorize without what only our server promises is fine, and without a token is not", async () => {
    const { token } = await clientFor(server.url).mcp.authorize("agt_1", { scopes: ["mcp:invoke"] });
    expect(token.reveal()).toBe(TEST_TOKEN);
    const other = await serveHandlers([
      http.post("*/api/v1/mcp/authorize", () => HttpResponse.json({ data: { secret: TEST_TOKEN } })),
    ]);
    onTestFinished(() => other.close());
    const error = await errorOf(clientFor(other.url).mcp.authorize("agt_1", { scopes: ["mcp:invoke"] }));
    expect(error).toMatchObject({ message: expect.stringContaining("data.token") });
    expect(inspect(error, { depth: 9 })).not.toContain(TEST_TOKEN);
  });
});

describe("a list", () => {
  it("is iterated over all pages with the same query", async () => {
    const ids: string[] = [];
    for await (const agent of clientFor(server.url).agents.list({ status: "active", limit: 2 }))
      ids.push(agent.id);
    expect(ids).toEqual(["agt_1", "agt_2", "agt_3"]);
    expect(server.requests.map(({ search }) => Object.fromEntries(search))).toEqual([
      { status: "active", limit: "2" },
      { status: "active", limit: "2", cursor: "agt_2" },
      { status: "active", limit: "2", cursor: "agt_3" },
    ]);
  });

  it("asks for no page more than its reader wants", async () => {
    for await (const _ of clientFor(server.url).agents.list()) break;
    expect(server.requests).toHaveLength(1);
  });

  it("is turned page by page, and the last page says that it is the last", async () => {
    const first = await clientFor(server.url).agents.list();
    expect(first.data).toHaveLength(2);
    const second = await first.getNextPage();
    const third = await second.getNextPage();
    expect([first, second, third].map((each) => each.hasNextPage())).toEqual([true, true, false]);
    expect(() => third.getNextPage()).toThrow(/hasNextPage\(\)/);
  });

  it("is a page with its answer, if asked for", async () => {
    const { data, status } = await clientFor(server.url).agents.list().withResponse();
    expect(status).toBe(200);
    expect(data.pagination).toEqual({ nextCursor: "agt_2", hasMore: true });
  });

  it("that answers its own cursor again ends with an error, not never", async () => {
    const loop = await serveHandlers([
      http.get("*/api/v1/agents", () => HttpResponse.json(page([AGENT], "agt_1"))),
    ]);
    onTestFinished(() => loop.close());
    const read = async () => {
      for await (const _ of clientFor(loop.url).agents.list());
    };
    expect(await errorOf(read())).toMatchObject({ message: expect.stringContaining("would never end") });
    expect(loop.requests).toHaveLength(2);
    const second = await (await clientFor(loop.url).agents.list()).getNextPage();
    expect(() => second.getNextPage()).toThrow(/would never end/);
  });

  it("ends where the API says that there is no more, even beside a cursor", async () => {
    const api = await serveHandlers([
      http.get("*/api/v1/agents", () =>
        HttpResponse.json({ data: [AGENT], pagination: { nextCursor: "agt_1", hasMore: false } }),
      ),
    ]);
    onTestFinished(() => api.close());
    for await (const agent of clientFor(api.url).agents.list()) expect(agent.id).toBe("agt_1");
    expect(api.requests).toHaveLength(1);
  });

  it("has no more of a batch that is JSON already than its statuses, whatever the API leaves out", async () => {
    const [recorded, duplicate] = [{ status: "recorded", overBudget: true }, { status: "duplicate" }];
    const api = await serveHandlers([
      http.post("*/api/v1/usage/events", ({ request }) => {
        const isMinimal = request.headers.get("prefer") === "return=minimal";
        const event = { id: "evt_1", somethingNew: true };
        return HttpResponse.json({
          data: { results: isMinimal ? [recorded, duplicate] : [{ ...recorded, event }, duplicate] },
        });
      }),
    ]);
    onTestFinished(() => api.close());
    const usage = clientFor(api.url).usage;
    expect(await usage.recordJson('{"events":[{},{}]}', 2)).toEqual([recorded, duplicate]);
    const hosted = await usage.recordJson('{"events":[{},{}]}', 2, { headers: { prefer: undefined } });
    expect(hosted).toMatchObject([recorded, duplicate]);
  });

  it("is unknown where a batch has another number of outcomes than of events", async () => {
    const api = await serveHandlers([
      http.post("*/api/v1/usage/events", () => HttpResponse.json({ data: { results: [] } })),
    ]);
    onTestFinished(() => api.close());
    const usage = clientFor(api.url).usage;
    const event = { agentId: "agt_1", meterName: "pages" };
    const error = await errorOf(usage.recordBatch([event, event]));
    expect(error).toMatchObject({ message: expect.stringMatching(/0 outcomes for 2 events/) });
    const two = JSON.stringify({ events: [event, event] });
    expect(await errorOf(usage.recordJson(two, 2))).toMatchObject({
      message: expect.stringMatching(/0 outcomes for 2 events/),
    });
  });
});

describe("a list that does not go well", () => {
  const listOf = async (next: (cursor: string | null) => Response) => {
    const api = await serveHandlers([
      http.get("*/api/v1/agents", ({ request }) => next(new URL(request.url).searchParams.get("cursor"))),
    ]);
    onTestFinished(() => api.close());
    const read: string[] = [];
    const reading = async () => {
      const list = clientFor(api.url, { maxRetries: 0 }).agents.list();
      for await (const agent of list) read.push(agent.id);
    };
    return { error: await errorOf(reading()), read, requests: api.requests };
  };

  it("because cursors go round in a ring ends with an error, not never", async () => {
    const { error, requests } = await listOf((cursor) =>
      HttpResponse.json(page([AGENT], cursor === "agt_1" ? "agt_2" : "agt_1")),
    );
    expect(error).toMatchObject({ message: expect.stringContaining("would never end") });
    expect(requests).toHaveLength(3);
  });

  it("because its second page fails gives the first page, then the error", async () => {
    const { error, read } = await listOf((cursor) =>
      cursor === null
        ? HttpResponse.json(page([AGENT], "agt_1"))
        : HttpResponse.json({ error: "no" }, { status: 500 }),
    );
    expect(read).toEqual(["agt_1"]);
    expect(error).toMatchObject({ name: "InternalServerError", status: 500 });
  });

  it("because an item lacks a member names the item", async () => {
    const { error } = await listOf(() => HttpResponse.json(page([AGENT, { ...AGENT, id: undefined }])));
    expect(error).toMatchObject({ message: expect.stringContaining("data.1.id") });
  });

  it("because every item lacks a member names some of them, and has all in its issues", async () => {
    const { error } = await listOf(() =>
      HttpResponse.json(page(Array(100).fill({ ...AGENT, id: undefined }))),
    );
    expect(error).toMatchObject({ message: expect.stringMatching(/data\.4\.id: [^;]*; and 95 more\./) });
    expect(error instanceof ResponseValidationError && error.issues).toHaveLength(100);
  });
});

describe("a failing call", () => {
  it("that is only asked for its response leaves no unhandled rejection behind", async () => {
    agentAnswer = () => HttpResponse.json({ error: "no" }, { status: 404 });
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    onTestFinished(() => void process.off("unhandledRejection", unhandled));
    expect(await errorOf(clientFor(server.url).agents.get("x").withResponse())).toMatchObject({
      status: 404,
    });
    for await (const _ of [1, 2]) await delay(10);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it("shows the line that made it", async () => {
    agentAnswer = () => HttpResponse.json({ error: "no" }, { status: 404 });
    async function inMyCode() {
      await clientFor(server.url).agents.get("x");
    }
    const error = await errorOf(inMyCode());
    expect(error instanceof Error && error.stack).toMatch(/called from[\s\S]*inMyCode.*requests\.test\.ts/);
  });
});

describe("an option of a call", () => {
  it.each([{ timeout: 0 }, { deadline: Number.NaN }, { maxRetries: -1 }])(
    "%j is refused",
    async (options) => {
      const [name] = Object.keys(options);
      const error = await errorOf(clientFor(server.url).agents.get("agt_1", options));
      expect(error).toMatchObject({ message: expect.stringMatching(new RegExp(`^${name} must be`)) });
      expect(server.requests).toEqual([]);
    },
  );
});

describe("nothing prints a secret", () => {
  it("not the client, however it is printed", () => {
    const client = clientFor(server.url);
    for (const shown of [
      inspect(client, { depth: 20, showHidden: true, getters: true }),
      JSON.stringify(client),
    ]) {
      expect(shown).not.toContain(TEST_KEY.slice(8));
    }
    expect(JSON.stringify({ ...client })).not.toContain(TEST_KEY.slice(8));
  });

  it("not what authorize answers", async () => {
    const { data, ...response } = await clientFor(server.url)
      .mcp.authorize("agt_1", { scopes: ["a"] })
      .withResponse();
    const shown =
      inspect([data, response], { depth: 20, showHidden: true }) + JSON.stringify(data) + String(data.token);
    expect(shown).not.toContain(TEST_TOKEN);
    expect(shown).toContain("AGT-…ghij");
  });

  it("not the log, not even where a token stands in the place of an id", async () => {
    const lines: string[] = [];
    const write = (line: string) => void lines.push(line);
    const logger: Logger = { debug: write, info: write, warn: write, error: write };
    const client = clientFor(server.url, { logger, headers: { "x-secret": "hunter2" } });
    await client.mcp.authorize("agt_1", { scopes: ["mcp:invoke"] });
    await client.mcp.verify(TEST_TOKEN);
    await client.agents.get(TEST_TOKEN);
    agentAnswer = () => HttpResponse.json({ error: "no" }, { status: 503 });
    await errorOf(client.agents.get(TEST_TOKEN, { maxRetries: 1 }));
    expect(lines).toContainEqual(
      expect.stringMatching(/^POST \/api\/v1\/mcp\/authorize: 200 in \d+ ms, try 1 of 3$/),
    );
    expect(lines).toContainEqual(expect.stringMatching(/InternalServerError 503; trying again in \d+ ms$/));
    expect(lines.join("\n")).not.toMatch(/0123456789|hunter2/);
  });

  it("not an error whose server repeats what it was sent", async () => {
    agentAnswer = () =>
      HttpResponse.json(
        { error: `bad key ${TEST_KEY}`, code: "UNAUTHORIZED", details: { sent: [`Bearer ${TEST_KEY}`] } },
        { status: 401 },
      );
    const error = await errorOf(clientFor(server.url).agents.get(TEST_TOKEN));
    expect(error).toMatchObject({
      message: "bad key lk_test_…cdef",
      details: { sent: ["Bearer lk_test_…cdef"] },
    });
    expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/0123456789/);
  });
});

describe("the environment", () => {
  it("gives key and address where the options do not", async () => {
    vi.stubEnv("LICENTRIC_API_KEY", TEST_KEY);
    vi.stubEnv("LICENTRIC_BASE_URL", server.url);
    onTestFinished(() => void vi.unstubAllEnvs());
    const client = new Licentric();
    await client.agents.get("agt_1");
    expect(client.baseUrl).toBe(server.url);
    expect(last().headers.get("authorization")).toBe(`Bearer ${TEST_KEY}`);
    await client.close();
  });

  it("without a key is an error at construction", () => {
    vi.stubEnv("LICENTRIC_API_KEY", undefined);
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(() => new Licentric()).toThrow(AuthenticationError);
  });
});

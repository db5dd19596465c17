import { inspect } from "node:util";
import { HttpResponse, http } from "msw";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  AuthenticationError,
  BudgetExceededError,
  ConflictError,
  InternalServerError,
  LicentricError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  ValidationError,
} from "../src/index.ts";
import { clientFor, errorOf } from "./client-for.ts";
import { type HandlerServer, serveHandlers } from "./serve-handlers.ts";

let server: HandlerServer;
let answer: () => Response;

beforeEach(async () => {
  server = await serveHandlers([http.get("*/api/v1/agents/:id", () => answer())]);
});
afterEach(() => server.close());

const failure = async (response: Response): Promise<LicentricError> => {
  answer = () => response;
  const error = await errorOf(clientFor(server.url, { maxRetries: 0 }).agents.get("agt_1"));
  if (!(error instanceof LicentricError)) throw error;
  return error;
};

describe("an error by its status", () => {
  it.each([
    [400, "VALIDATION_ERROR", ValidationError],
    [401, "UNAUTHORIZED", AuthenticationError],
    [402, "BUDGET_EXCEEDED", BudgetExceededError],
    [403, "INSUFFICIENT_SCOPE", PermissionDeniedError],
    [404, "NOT_FOUND", NotFoundError],
    [409, "CONFLICT", ConflictError],
    [422, "UNPROCESSABLE", ValidationError],
    [429, "RATE_LIMITED", RateLimitError],
    [500, "INTERNAL_ERROR", InternalServerError],
    [503, "UNAVAILABLE", InternalServerError],
    [405, "METHOD_NOT_ALLOWED", LicentricError],
    [418, "A_CODE_OF_TOMORROW", LicentricError],
  ])("%i %s", async (status, code, type) => {
    const details = { scope: "admin" };
    const error = await failure(
      HttpResponse.json({ error: "Say please.", code, details, requestId: "01ABC" }, { status }),
    );
    expect(error).toBeInstanceOf(type);
    expect(error).toBeInstanceOf(LicentricError);
    expect(error).toMatchObject({
      name: type.name,
      message: "Say please.",
      status,
      code,
      details,
      requestId: "01ABC",
    });
  });

  it("has the request id of the header where the envelope has none, and the headers", async () => {
    const error = await failure(
      HttpResponse.json({ error: "no" }, { status: 404, headers: { "x-request-id": "req_7" } }),
    );
    expect(error).toMatchObject({ requestId: "req_7", code: undefined, details: undefined });
    expect(error instanceof LicentricError && error.headers?.get("x-request-id")).toBe("req_7");
    expect(inspect(error)).not.toContain("content-type");
  });

  it("reads the older envelope, which has the status in it", async () => {
    const error = await failure(
      HttpResponse.json(
        { error: "Name is required", code: "VALIDATION_ERROR", status: 400 },
        { status: 400 },
      ),
    );
    expect(error).toMatchObject({
      name: "ValidationError",
      message: "Name is required",
      status: 400,
      issues: [],
    });
  });

  it.each([
    [
      { details: null, code: "CONFLICT" },
      { code: "CONFLICT", details: undefined },
    ],
    [
      { code: null, requestId: null },
      { code: undefined, requestId: "req_7" },
    ],
    [
      { details: ["a"], status: "409", requestId: "01ABC" },
      { details: undefined, requestId: "01ABC" },
    ],
  ])("keeps its sentence where the envelope has a member of another type: %j", async (members, expected) => {
    const headers = { "x-request-id": "req_7" };
    const error = await failure(
      HttpResponse.json({ error: "It is closed.", ...members }, { status: 409, headers }),
    );
    expect(error).toMatchObject({ name: "ConflictError", message: "It is closed.", ...expected });
  });
});

describe("a validation error", () => {
  it("has its issues, and says them where the message does not", async () => {
    const issues = [
      { path: ["events", 3, "agentId"], message: "is missing", code: "invalid_type" },
      { path: "", message: "is empty" },
    ];
    const error = await failure(
      HttpResponse.json(
        { error: "Validation failed", code: "VALIDATION_ERROR", details: { issues } },
        { status: 400 },
      ),
    );
    expect(error).toMatchObject({
      issues,
      message: "Validation failed (events.3.agentId: is missing; is empty)",
    });
  });

  it("does not say twice what the message says", async () => {
    const details = { issues: [{ path: "name", message: "is missing" }] };
    const error = await failure(HttpResponse.json({ error: "name: is missing", details }, { status: 400 }));
    expect(error).toMatchObject({ message: "name: is missing" });
  });

  it("has none where details are of another shape", async () => {
    const error = await failure(
      HttpResponse.json({ error: "no", details: { issues: "many" } }, { status: 400 }),
    );
    expect(error).toMatchObject({ issues: [], details: { issues: "many" } });
  });
});

describe("a budget error", () => {
  const budget = { meterName: "api_calls", limit: 5, used: 5, remaining: 0, status: "exceeded" };

  it("has the budget, and when it starts again", async () => {
    const state = { ...budget, resetsAt: "2026-12-01T00:00:00.000Z" };
    const error = await failure(
      HttpResponse.json(
        { error: "used up", code: "BUDGET_EXCEEDED", details: { budget: state } },
        { status: 402 },
      ),
    );
    expect(error).toMatchObject({ budget: state });
  });

  it("has none where the server does not say it", async () => {
    expect(await failure(HttpResponse.json({ error: "used up" }, { status: 402 }))).toMatchObject({
      budget: undefined,
    });
  });
});

describe("a rate limit error", () => {
  it("says when to come back", async () => {
    const response = HttpResponse.json(
      { error: "slow down" },
      { status: 429, headers: { "retry-after": "17" } },
    );
    expect(await failure(response)).toMatchObject({ retryAfter: 17 });
  });

  it("does not where the server does not", async () => {
    expect(await failure(HttpResponse.json({ error: "slow down" }, { status: 429 }))).toMatchObject({
      retryAfter: undefined,
    });
  });
});

describe("an answer without the envelope", () => {
  it("that is a proxy's page shows its text, status and type", async () => {
    const html =
      "<html><head><style>b{}</style><title>502</title></head><body><h1>Bad  Gateway</h1></body></html>";
    expect(await failure(HttpResponse.html(html, { status: 502 }))).toMatchObject({
      name: "InternalServerError",
      status: 502,
      message: expect.stringMatching(
        /GET \/api\/v1\/agents\/agt_1 answered 502 .*\(text\/html.*"502 Bad Gateway".*proxy/,
      ),
    });
  });

  it.each([401, 402, 403, 404, 408, 409, 422, 425, 429, 500, 502])(
    "is still of the class of its status, and says that it is not the API's: %i",
    async (status) => {
      const page = await failure(HttpResponse.html("<h1>Authorization Required</h1>", { status }));
      const own = await failure(HttpResponse.json({ error: "no" }, { status }));
      expect(page).toMatchObject({ status, answeredByApi: false, code: undefined });
      expect(own).toMatchObject({ status, answeredByApi: true, code: undefined });
      expect(page.constructor).toBe(own.constructor);
    },
  );

  it.each([{ message: "Forbidden" }, { error: { message: "no" } }, { error: null }, ["error"], "error"])(
    "is any JSON whose `error` is no sentence: %j",
    async (body) => {
      expect(await failure(HttpResponse.json(body, { status: 403 }))).toMatchObject({ answeredByApi: false });
    },
  );

  it("that is long is shortened", async () => {
    const error = await failure(HttpResponse.text("word ".repeat(1_000), { status: 500 }));
    expect(error instanceof Error && error.message.length).toBeLessThan(500);
  });

  it("that is empty, or JSON of another shape, says so", async () => {
    expect(await failure(new HttpResponse(null, { status: 404 }))).toMatchObject({
      name: "NotFoundError",
      message: expect.stringMatching(/answered 404 without the API's error envelope \(no content type\)\./),
    });
    expect(await failure(HttpResponse.json({ message: "Forbidden" }, { status: 403 }))).toMatchObject({
      name: "PermissionDeniedError",
      message: expect.stringContaining('{"message":"Forbidden"}'),
    });
  });

  it("that redirects is not followed, and says where it points", async () => {
    const response = new HttpResponse(null, {
      status: 308,
      headers: { location: "https://eu.licentric.com/api?key=x" },
    });
    expect(await failure(response)).toMatchObject({
      status: 308,
      message: expect.stringMatching(
        /redirected \(308\) to https:\/\/eu\.licentric\.com\/api\. .*set baseUrl/,
      ),
    });
    expect(server.requests).toHaveLength(1);
  });
});

import {
  AuthenticationError,
  BudgetExceededError,
  ConflictError,
  InternalServerError,
  LicentricError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  TimeoutError,
  ValidationError,
} from "@licentric/sdk";
import {
  ConfigError,
  DatabaseSetupError,
  DatabaseUnavailableError,
  ServerStartError,
} from "@licentric/server";
import { describe, expect, it } from "vitest";
import { usageError } from "./exit-codes.ts";
import { explain } from "./explain.ts";

describe("explain", () => {
  it.each<[number, Error]>([
    [1, new LicentricError("x")],
    [1, new BudgetExceededError("x")],
    [1, new DatabaseSetupError("x")],
    [1, new ServerStartError("x")],
    [2, usageError("x")],
    [2, new ValidationError("x")],
    [2, new ConfigError("x")],
    [3, new AuthenticationError("x")],
    [3, new AuthenticationError("x", { status: 401, answeredByApi: true })],
    [5, new AuthenticationError("x", { status: 401 })],
    [5, new PermissionDeniedError("x", { status: 403 })],
    [5, new NotFoundError("x", { status: 404 })],
    [5, new ConflictError("x", { status: 409 })],
    [5, new LicentricError("x", { status: 302 })],
    [7, new RateLimitError("x", { status: 429 })],
    [7, new InternalServerError("x", { status: 502 })],
    [3, new PermissionDeniedError("x")],
    [4, new NotFoundError("x")],
    [5, new TimeoutError("x")],
    [5, new DatabaseUnavailableError("x")],
    [6, new ConflictError("x")],
    [7, new RateLimitError("x")],
    [7, new InternalServerError("x")],
  ])("ends with %d for %o, and says its sentence without where it was thrown", (exitCode, error) => {
    const explained = explain(error);
    expect(explained.exitCode).toBe(exitCode);
    expect(explained.text.split("\n")[0]).toBe("licentric: x");
    expect(explained.text).not.toContain("explain.test");
  });

  it("names the request that failed", () => {
    const error = new NotFoundError("There is no agent.", {
      status: 404,
      code: "NOT_FOUND",
      requestId: "01ABC",
      answeredByApi: true,
    });
    expect(explain(error)).toMatchObject({
      text: "licentric: There is no agent. (request 01ABC)",
      envelope: { error: "There is no agent.", status: 404, code: "NOT_FOUND", requestId: "01ABC" },
    });
  });

  it("says where an error was thrown that nobody foresaw", () => {
    const { text, exitCode } = explain(new TypeError("undefined is not a function"));
    expect(exitCode).toBe(1);
    expect(text).toContain("unexpected error. TypeError: undefined is not a function");
    expect(text).toContain("explain.test.ts");
  });
});

import type { Socket } from "node:net";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { ulid } from "ulid";
import { ApiError } from "./api-error.ts";

/**
 * Answers bytes that are not an HTTP request, or none that arrives in time or in bounds. Node gives up on
 * them before there is a request, so nothing else of the app sees them.
 */
export function answerUnreadable(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  const { status, code, message } = describe(error.code);
  const requestId = ulid();
  const body = JSON.stringify({ error: message, code, requestId });
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? "Bad Request"}`,
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    "Connection: close",
  ];
  if (socket.writable) socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
  socket.destroy(error);
}

const REASONS: Readonly<Record<number, string>> = {
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
};

function describe(code: string | undefined): ApiError {
  switch (code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new ApiError("REQUEST_TIMEOUT", "The request did not arrive in time. Send it again.");
    case "HPE_HEADER_OVERFLOW":
      return new ApiError(
        "HEADERS_TOO_LARGE",
        "The request's headers are too large. Send fewer or shorter ones.",
      );
    default:
      return new ApiError("VALIDATION_ERROR", "The request cannot be read: it is not well-formed HTTP.");
  }
}

/** Answers a path that the router cannot read: a broken percent-encoding, or an id longer than any. */
export function answerUnroutable(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const known =
    error.code === "FST_ERR_BAD_URL"
      ? new ApiError("VALIDATION_ERROR", "The path cannot be read: its percent-encoding is broken.")
      : new ApiError("NOT_FOUND", "There is no such path. See /api/v1/openapi.json.");
  void reply
    .status(known.status)
    .header("x-request-id", request.id)
    .send({ error: known.message, code: known.code, requestId: request.id });
}

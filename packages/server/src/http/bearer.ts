import type { FastifyRequest } from "fastify";
import { ApiError } from "./api-error.ts";

/** What an `Authorization` header of the form `Bearer <secret>` has for a secret. */
export function bearerSecret(header: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(header ?? "")?.[1];
}

/**
 * The credential of a request.
 *
 * @throws {ApiError} `UNAUTHORIZED` when it has none.
 */
export function bearer(request: FastifyRequest): string {
  const header = request.headers.authorization;
  const secret = bearerSecret(header);
  if (secret !== undefined) return secret;
  throw new ApiError(
    "UNAUTHORIZED",
    header === undefined
      ? 'The request has no credential. Send "Authorization: Bearer <key or token>".'
      : 'The Authorization header is not of the form "Bearer <key or token>".',
  );
}

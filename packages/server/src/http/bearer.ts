import { isAgentToken, isManagementKey } from "@licentric/contract";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { hashSecret, hasValidChecksum, type PresentedCredential } from "../accounts/secrets.ts";
import { unauthorized } from "./api-error.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Credential in the `Authorization` header; null where it has none. */
    credential: PresentedCredential | null;
  }
}

/** Reads the credential of each request once, for all that ask for it: its hashes cost more than most else. */
export function readCredentials(app: FastifyInstance): void {
  app.decorateRequest("credential", null);
  app.addHook("onRequest", (request, _, done) => {
    request.credential = present(request.headers.authorization);
    done();
  });
}

function present(header: string | undefined): PresentedCredential | null {
  const secret = /^bearer +(\S+) *$/i.exec(header ?? "")?.[1];
  if (secret === undefined) return null;
  const isOurs = (isManagementKey(secret) || isAgentToken(secret)) && hasValidChecksum(secret);
  return { secret, hash: isOurs ? hashSecret(secret) : null };
}

/**
 * The credential of a request.
 *
 * @throws {ApiError} `UNAUTHORIZED` when it has none.
 */
export function bearer(request: FastifyRequest): PresentedCredential {
  if (request.credential !== null) return request.credential;
  const isMissing = request.headers.authorization === undefined;
  throw unauthorized(
    isMissing ? "missing" : "malformed",
    isMissing
      ? 'The request has no credential. Send "Authorization: Bearer <key or token>".'
      : 'The Authorization header is not of the form "Bearer <key or token>".',
  );
}

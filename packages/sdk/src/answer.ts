import type { IncomingHttpHeaders } from "node:http";
import { redactSecrets } from "@licentric/contract";
import type { APIResponse, RateLimit } from "./api-promise.ts";

/** What HTTP said, before anything is made of it. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** How many tries it took, this one included. */
  readonly attempts: number;
}

/**
 * One header of an answer; of a repeated one the first. A server may put there what it was sent: a secret among it
 * comes out shortened.
 */
export function header(answer: Pick<Answer, "headers">, name: string): string | undefined {
  const value = answer.headers[name];
  const first = Array.isArray(value) ? value[0] : value;
  return first && redactSecrets(first);
}

/** The answer's headers as the web's `Headers`. */
export function webHeaders(answer: Pick<Answer, "headers">): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(answer.headers)) {
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined) headers.append(name, one);
  }
  return headers;
}

function rateLimit(answer: Answer): RateLimit | undefined {
  const [limit, remaining, reset] = ["limit", "remaining", "reset"].map((part) =>
    Number.parseInt(header(answer, `x-ratelimit-${part}`) ?? "", 10),
  );
  if (limit === undefined || remaining === undefined || reset === undefined) return undefined;
  if (Number.isNaN(limit + remaining + reset)) return undefined;
  return { limit, remaining, reset: new Date(reset * 1_000) };
}

/** What `.withResponse()` gives. */
export function toResponse<Data>(data: Data, answer: Answer): APIResponse<Data> {
  return {
    data,
    status: answer.status,
    headers: webHeaders(answer),
    requestId: header(answer, "x-request-id"),
    rateLimit: rateLimit(answer),
    attempts: answer.attempts,
  };
}

import { redactSecrets } from "@licentric/contract";
import type { ResponseHeaders } from "./transport/transport.ts";

/** A response as HTTP reports it, before anything is made of it. */
export interface Answer {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Number of tries it took, this one included. */
  readonly attempts: number;
}

/** The requests that the credential may still make, from the `X-RateLimit-*` headers. */
export interface RateLimit {
  /** Requests per window. */
  readonly limit: number;
  /** Requests left in this window. */
  readonly remaining: number;
  /** Time at which the window starts again. */
  readonly reset: Date;
}

/** A parsed answer with what HTTP says around it. */
export interface APIResponse<Data> {
  /** The same as awaiting the call gives. */
  readonly data: Data;
  /** HTTP status. */
  readonly status: number;
  /** HTTP headers of the answer. */
  readonly headers: Headers;
  /** Names the request in the server's log. */
  readonly requestId: string | undefined;
  /** The requests that are left; undefined where the server does not say. */
  readonly rateLimit: RateLimit | undefined;
  /** Number of tries it took; 1 where the first one succeeded. */
  readonly attempts: number;
}

/**
 * One header of an answer; of a repeated one the first. A server may put there what it was sent: a secret among it
 * comes out shortened.
 */
export function header(answer: Pick<Answer, "headers">, name: string): string | undefined {
  const first = firstOf(answer.headers, name);
  return first && redactSecrets(first);
}

function firstOf(headers: ResponseHeaders, name: string): string | undefined {
  if (headers instanceof Headers) return headers.get(name) ?? undefined;
  return arrayOf(headers[name])[0];
}

/** The answer's headers as the web's `Headers`. */
export function webHeaders({ headers }: Pick<Answer, "headers">): Headers {
  if (headers instanceof Headers) return headers;
  const copy = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    for (const one of arrayOf(value)) copy.append(name, one);
  }
  return copy;
}

const arrayOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === "string" ? [value] : value;

function rateLimit(answer: Answer): RateLimit | undefined {
  const [limit, remaining, reset] = ["limit", "remaining", "reset"].map((part) =>
    Number.parseInt(header(answer, `x-ratelimit-${part}`) ?? "", 10),
  );
  if (limit === undefined || remaining === undefined || reset === undefined) return undefined;
  if (Number.isNaN(limit + remaining + reset)) return undefined;
  return { limit, remaining, reset: new Date(reset * 1_000) };
}

/** Makes the result of `.withResponse()`. */
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

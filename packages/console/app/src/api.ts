import type { Pagination } from "@licentric/contract";

/** A page of a list, as the API answers it. */
export interface Listed<Item> {
  readonly data: readonly Item[];
  readonly pagination: Pagination;
}

/** An answer other than success, in the API's words, or that there was none. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** HTTP status; null where nothing answered. */
  readonly status: number | null;
  readonly requestId: string | null;

  constructor(message: string, status: number | null, requestId: string | null) {
    super(message);
    this.status = status;
    this.requestId = requestId;
  }
}

/** Method of a request of the API. */
export type Method = "GET" | "POST" | "PATCH" | "DELETE";

interface RequestOptions {
  readonly signal?: AbortSignal;
  readonly body?: object;
  /** Names a change, so that the same request sent again changes nothing twice. */
  readonly idempotencyKey?: string;
}

/** Milliseconds that an answer may take. A change may wait for others than the server: a month of invoices for Stripe. */
const TIME_LIMIT = 30_000;
const TIME_LIMIT_OF_CHANGES = 120_000;

/**
 * Asks the API that served this page.
 *
 * @throws {ApiError} where it refuses, or does not answer.
 */
export async function request<Answer>(
  method: Method,
  path: string,
  credential: string | null,
  options: RequestOptions = {},
): Promise<Answer> {
  const response = await send(method, path, credential, options);
  const body: unknown = await response.json().catch(() => null);
  if (response.ok && body !== null) return body as Answer;
  throw toError(response, body);
}

/**
 * Reads what the API answers with in place of JSON: an invoice as a document.
 *
 * @throws {ApiError} where it refuses, or does not answer.
 */
export async function requestFile(path: string, credential: string): Promise<Blob> {
  const response = await send("GET", path, credential, {});
  if (response.ok) return response.blob();
  throw toError(response, await response.json().catch(() => null));
}

async function send(
  method: Method,
  path: string,
  credential: string | null,
  { signal, body, idempotencyKey }: RequestOptions,
): Promise<Response> {
  const limit = AbortSignal.timeout(method === "GET" ? TIME_LIMIT : TIME_LIMIT_OF_CHANGES);
  try {
    return await fetch(path, {
      method,
      headers: {
        ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const next =
      method === "GET"
        ? "this page asks again."
        : "then confirm again here: what was done already is not done twice.";
    throw new ApiError(
      `The server does not answer. Check that it runs and that this machine reaches it; ${next}`,
      null,
      null,
    );
  }
}

function toError(response: Response, body: unknown): ApiError {
  const requestId = response.headers.get("x-request-id");
  if (typeof body === "object" && body !== null && "error" in body && typeof body.error === "string") {
    return new ApiError(body.error, response.status, requestId);
  }
  const from = `Something answered ${response.status} in the API's place.`;
  return new ApiError(`${from} Look at the proxy or the sign-in page before it.`, response.status, requestId);
}

/** A path with the parameters that are given. */
export function withQuery(
  path: string,
  query: Readonly<Record<string, string | number | undefined>>,
): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  if (given.length === 0) return path;
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

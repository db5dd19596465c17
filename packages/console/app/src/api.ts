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

const TIME_LIMIT = 30_000;

/**
 * Asks the API that served this page.
 *
 * @throws {ApiError} where it refuses, or does not answer.
 */
export async function request<Answer>(
  method: "GET" | "POST",
  path: string,
  credential: string | null,
  signal?: AbortSignal,
): Promise<Answer> {
  const limit = AbortSignal.timeout(TIME_LIMIT);
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: credential === null ? {} : { authorization: `Bearer ${credential}` },
      credentials: "omit",
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(
      "The server does not answer. Check that it runs and that this machine reaches it; this page asks again.",
      null,
      null,
    );
  }
  const body: unknown = await response.json().catch(() => null);
  if (response.ok && body !== null) return body as Answer;
  throw toError(response, body);
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

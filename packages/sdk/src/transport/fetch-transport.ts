import { LicentricError } from "../errors.ts";
import type { Transport } from "./transport.ts";

/** Sends a request, as the global `fetch` does. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Sends with a `fetch`, whose runtime keeps the connections. */
export function fetchTransport(fetch: Fetch): Transport {
  return {
    async request({ method, origin, path, headers, body }, signal) {
      const response = await fetch(origin + path, {
        method,
        headers: toHeaders(headers),
        body: body instanceof Uint8Array ? new Uint8Array(body) : (body ?? null),
        redirect: "manual",
        signal,
      });
      return { status: response.status, headers: response.headers, body: response.body ?? NO_BODY };
    },
    close: async () => undefined,
  };
}

/** Runtimes say of a malformed value what it is, which may be a secret, and as if the connection had failed. */
function toHeaders(fields: Readonly<Record<string, string>>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(fields)) {
    try {
      headers.append(name, value);
    } catch {
      throw new LicentricError(
        `The header ${JSON.stringify(name)} cannot be sent: its name or value is malformed.`,
      );
    }
  }
  return headers;
}

const NO_BODY: AsyncIterable<Uint8Array> = {
  async *[Symbol.asyncIterator]() {},
};

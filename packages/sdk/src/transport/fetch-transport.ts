import type { Transport } from "./transport.ts";

/** Sends a request, as the global `fetch` does. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Sends with a `fetch`, whose runtime keeps the connections. */
export function fetchTransport(fetch: Fetch): Transport {
  return {
    async request({ origin, path, body, ...request }, signal) {
      const response = await fetch(origin + path, {
        ...request,
        body: body ?? null,
        redirect: "manual",
        signal,
      });
      return { status: response.status, headers: response.headers, body: response.body ?? NO_BODY };
    },
    close: async () => undefined,
  };
}

const NO_BODY: AsyncIterable<Uint8Array> = {
  async *[Symbol.asyncIterator]() {},
};

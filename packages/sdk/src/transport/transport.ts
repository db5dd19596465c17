/** A request as a {@link Transport} sends it. */
export interface TransportRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly origin: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | Uint8Array | undefined;
}

/** The headers of a response, as `fetch` or as Node gives them. */
export type ResponseHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/** A response of which the headers have arrived. */
export interface TransportResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Read to its end or left early, which closes the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Sends requests by one way of HTTP. Limits, retries and errors are the client's, and the same over each. */
export interface Transport {
  /** Sends a request once, follows no redirect, and returns when the headers of the response have arrived. */
  request(request: TransportRequest, signal: AbortSignal): Promise<TransportResponse>;
  /** Lets go of the connections. Nothing is in flight any more. */
  close(): Promise<void>;
}

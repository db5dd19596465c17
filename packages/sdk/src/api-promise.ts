import { type Answer, toResponse } from "./answer.ts";

/** How many requests the credential may still make, from the `X-RateLimit-*` headers. */
export interface RateLimit {
  /** Requests per window. */
  readonly limit: number;
  /** Requests left in this window. */
  readonly remaining: number;
  /** When the window starts again. */
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
  /** How many requests are left; undefined where the server does not say. */
  readonly rateLimit: RateLimit | undefined;
  /** How many tries it took; 1 where the first one succeeded. */
  readonly attempts: number;
}

/** Parsed data and the answer that it came in. */
export interface Parsed<Data> {
  readonly data: Data;
  readonly answer: Answer;
}

/** What is inside a call's promise, for calls that are made of other calls. */
export let parsedOf: <Data>(promise: APIPromise<Data>) => Promise<Parsed<Data>>;

/**
 * What every call gives: a promise of the parsed data, which can also be asked for the answer around it.
 *
 * @example
 * ```ts
 * const agent = await client.agents.get("agt_1");
 * const { data, requestId, rateLimit } = await client.agents.get("agt_1").withResponse();
 * ```
 */
export class APIPromise<Data> extends Promise<Data> {
  readonly #parsed: Promise<Parsed<Data>>;

  static {
    parsedOf = (promise) => promise.#parsed;
  }

  // What `then` makes is an ordinary promise: there is no answer around a mapped value.
  static override get [Symbol.species]() {
    return Promise;
  }

  /** Made by the client's calls. @internal */
  constructor(parsed: Promise<Parsed<Data>>) {
    super((resolve, reject) => {
      parsed.then(({ data }) => resolve(data), reject);
    });
    this.#parsed = parsed;
  }

  /**
   * The data with status, headers, request id and rate limit.
   *
   * @throws what awaiting the call throws
   */
  withResponse(): Promise<APIResponse<Data>> {
    // The failure is the returned promise's to report; this one must not count as unhandled beside it.
    this.catch(() => undefined);
    return this.#parsed.then(({ data, answer }) => toResponse(data, answer));
  }
}

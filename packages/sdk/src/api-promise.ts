import { type Answer, type APIResponse, toResponse } from "./answer.ts";

/** Parsed data and the answer that it came in. */
export interface Parsed<Data> {
  readonly data: Data;
  readonly answer: Answer;
}

/** Returns the parsed data and the answer inside a call's promise, for calls that are made of other calls. */
export let parsedOf: <Data>(promise: APIPromise<Data>) => Promise<Parsed<Data>>;

/**
 * The promise that every call returns: it resolves to the parsed data, and can also be asked for the response
 * around it.
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

import { isAgentToken, isManagementKey } from "@licentric/contract";
import type { Dispatcher } from "undici";
import { AuthenticationError, LicentricError } from "./errors.ts";
import { type Secret, secretText } from "./secret.ts";
import type { Connection } from "./transport/connection.ts";
import type { Fetch } from "./transport/fetch-transport.ts";

/** Header values by name; undefined leaves a header out. */
export type HeaderFields = Readonly<Record<string, string | undefined>>;

/**
 * A receiver of the client's log messages, one sentence each: `console`, a pino logger, or anything of that
 * shape. No message has a secret, a header or a body in it. `debug` reports every answer, `warn` every retry.
 */
export interface Logger {
  /** Every try and its outcome. */
  debug(message: string): void;
  /** Not used at present. */
  info(message: string): void;
  /** A try failed and another follows. */
  warn(message: string): void;
  /** Not used at present: what fails is thrown. */
  error(message: string): void;
}

/** Options for making a client. */
export interface ClientOptions {
  /**
   * Management key (`lk_test_…` or `lk_live_…`); `LICENTRIC_API_KEY` by default. `null`, said on purpose, makes a
   * client without one, for which only the calls with an agent's token work: `mcp.verify`, `reserve`, `commit`
   * and `release`.
   */
  readonly apiKey?: string | Secret | null | undefined;
  /** Origin of the API, with a path before `/api/v1` if it has one; `LICENTRIC_BASE_URL`, else `https://www.licentric.com`. */
  readonly baseUrl?: string | undefined;
  /** Milliseconds that one try may take, to the last byte of the answer; 30,000 by default. */
  readonly timeout?: number | undefined;
  /** Milliseconds that a call may take with all its tries and the waits between them; twice `timeout` by default. */
  readonly deadline?: number | undefined;
  /** Maximum number of retries after a failed try; 2 by default, 0 for none. */
  readonly maxRetries?: number | undefined;
  /**
   * Bytes of an answer that are read at most, as they are when decompressed; 33,554,432 (32 MiB) by default, more than
   * any page of the API has. A longer success is a `ResponseValidationError`, and its connection is closed.
   */
  readonly maxResponseBytes?: number | undefined;
  /**
   * The undici dispatcher to send with, on Node: a `ProxyAgent`, or an `Agent` with client certificates. It stays yours:
   * `close()` leaves it open. By default the client keeps a pool of its own, which goes through the proxy that
   * `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name.
   */
  readonly dispatcher?: Dispatcher | undefined;
  /**
   * The `fetch` to send with, on any runtime: a Worker's service binding, say, or a wrapper that signs. Timeouts,
   * retries, limits and errors stay the client's. By default undici's pool on Node, and the runtime's `fetch` elsewhere.
   *
   * @example
   * ```ts
   * const client = new Licentric({
   *   apiKey: "lk_test_0123456789abcdef",
   *   fetch: (url, init) => fetch(url, { ...init, keepalive: true }),
   * });
   * ```
   */
  readonly fetch?: Fetch | undefined;
  /** Headers for every request. `authorization` cannot be set this way. */
  readonly headers?: HeaderFields | undefined;
  /** Receiver of the client's log messages; none by default. */
  readonly logger?: Logger | undefined;
}

/** Options that every call takes as its last parameter. */
export interface RequestOptions {
  /** Ends the call, a wait before a retry included, with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that one try may take; the client's `timeout` by default. */
  readonly timeout?: number | undefined;
  /** Milliseconds that the call may take with all its tries; the client's `deadline` by default, else twice this call's `timeout`. */
  readonly deadline?: number | undefined;
  /** Maximum number of retries after a failed try; the client's `maxRetries` by default. */
  readonly maxRetries?: number | undefined;
  /** Bytes of the answer that are read at most; the client's `maxResponseBytes` by default. */
  readonly maxResponseBytes?: number | undefined;
  /**
   * Names what this call does, so that repeating it (after a crash, say) does nothing twice: 1 to 255 printable
   * ASCII characters. Only for calls that create or record; a random one by default.
   */
  readonly idempotencyKey?: string | undefined;
  /** Headers for this call, over the client's. `authorization` cannot be set this way. */
  readonly headers?: HeaderFields | undefined;
}

/** The settings that a client was made with, defaults filled in. */
export interface ClientConfig {
  readonly apiKey: string | null;
  readonly baseUrl: URL;
  readonly timeout: number;
  readonly deadline: number | undefined;
  readonly maxRetries: number;
  readonly maxResponseBytes: number;
  readonly connection: Connection;
  readonly headers: HeaderFields;
  readonly logger: Logger | undefined;
}

/**
 * A variable of the environment that stands in for an option which is left out, and is read only then: not every
 * runtime has an environment, and Deno asks for permission to read it.
 */
export function variableFor(option: unknown, name: string): string | undefined {
  return option === undefined ? globalThis.process?.env?.[name] : undefined;
}

/** The hosted service. */
const DEFAULT_BASE_URL = "https://www.licentric.com";

/** Milliseconds that one try may take, as the hosted service documents it. */
export const DEFAULT_TIMEOUT = 30_000;

/** Maximum number of retries after a failed try. */
export const DEFAULT_MAX_RETRIES = 2;

/** Bytes of an answer that are read at most: a page of 100 resources whose metadata are full has some 8 MiB. */
export const DEFAULT_MAX_RESPONSE_BYTES = 32 * 1_048_576;

/**
 * The management key of a client, checked; null where the caller said so.
 *
 * @throws AuthenticationError which says what is wrong, without the key
 */
export function resolveApiKey(
  option: ClientOptions["apiKey"],
  fromEnvironment: string | undefined,
): string | null {
  if (option === null) return null;
  const key = option === undefined ? fromEnvironment : secretText(option);
  const source = option === undefined ? "LICENTRIC_API_KEY" : "apiKey";
  if (key === undefined || key === "") {
    throw new AuthenticationError(
      "No management key: pass new Licentric({ apiKey }) or set LICENTRIC_API_KEY. (apiKey: null makes a client for agents' tokens only.)",
    );
  }
  if (isManagementKey(key)) return key;
  if (isAgentToken(key.trim())) {
    throw new AuthenticationError(
      `${source} is an agent's token (AGT-…). A client takes a management key (lk_test_… or lk_live_…); pass the token to the call: client.mcp.verify(token).`,
    );
  }
  const hint = isManagementKey(key.trim()) ? " There is white space around it." : "";
  throw new AuthenticationError(
    `${source} is malformed: a management key begins with "lk_test_" or "lk_live_", followed by at least 8 letters, digits, "_" or "-".${hint}`,
  );
}

/**
 * Origin and path prefix of the API, without a slash at the end.
 *
 * @throws LicentricError which says what is wrong with it
 */
export function resolveBaseUrl(option: string | undefined, fromEnvironment: string | undefined): URL {
  const text = option ?? (fromEnvironment || DEFAULT_BASE_URL);
  const source = option === undefined && fromEnvironment ? "LICENTRIC_BASE_URL" : "baseUrl";
  const wrong = (what: string) => new LicentricError(`${source} ${what}, for example "${DEFAULT_BASE_URL}".`);
  if (!URL.canParse(text)) throw wrong("is not a URL: give the origin of the API");
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw wrong("must begin with https:// or http://");
  if (url.username || url.password) throw wrong("must not contain a user name or a password");
  if (/[?#]/.test(url.href)) throw wrong("must not have a query or a fragment");
  url.pathname = url.pathname.replace(/\/+$/, "");
  if (/\/api\/v1$/.test(url.pathname)) throw wrong("must not end in /api/v1: the client adds it");
  return url;
}

/** The longest time that a timer can hold, in milliseconds. */
export const MAX_MILLISECONDS = 2 ** 31 - 1;

/**
 * A number of milliseconds, checked.
 *
 * @throws LicentricError where it is not a positive number that a timer can hold
 */
export function checkMilliseconds(name: string, value: number): number {
  if (Number.isFinite(value) && value > 0 && value <= MAX_MILLISECONDS) return value;
  throw new LicentricError(
    `${name} must be a number of milliseconds, more than 0 and at most ${MAX_MILLISECONDS}.`,
  );
}

/**
 * A number of retries, checked.
 *
 * @throws LicentricError where it is not a whole number from 0
 */
export function checkRetries(value: number): number {
  if (Number.isInteger(value) && value >= 0) return value;
  throw new LicentricError("maxRetries must be a whole number, 0 or more.");
}

/**
 * A number of bytes, checked.
 *
 * @throws LicentricError where it is not a whole number from 1
 */
export function checkBytes(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value;
  throw new LicentricError(`${name} must be a whole number of bytes, 1 or more.`);
}

import { randomUUID } from "node:crypto";
import { buildPath, IdempotencyKey, isAgentToken, type Route, redactSecrets } from "@licentric/contract";
import type { Dispatcher } from "undici";
import type { z } from "zod";
import { type Answer, header } from "./answer.ts";
import { APIPromise, type Parsed } from "./api-promise.ts";
import { checkData, checkList, type ResponseOf } from "./check-response.ts";
import { errorFromAnswer } from "./error-from-answer.ts";
import { AuthenticationError, LicentricError, TimeoutError, ValidationError } from "./errors.ts";
import {
  checkMilliseconds,
  checkRetries,
  type HeaderFields,
  type Logger,
  type RequestOptions,
} from "./options.ts";
import { Page, PagePromise } from "./page.ts";
import { isRetryable, parseRetryAfter, retryDelay } from "./retry.ts";
import { type Secret, secretText } from "./secret.ts";
import { sleep } from "./sleep.ts";
import { isTransient, send, type TextAnswer } from "./transport.ts";
import { VERSION } from "./version.ts";

/** What a client was made with, defaults filled in. */
export interface ApiConfig {
  readonly apiKey: string | null;
  readonly baseUrl: URL;
  readonly timeout: number;
  readonly deadline: number | undefined;
  readonly maxRetries: number;
  readonly dispatcher: Dispatcher;
  readonly headers: HeaderFields;
  readonly logger: Logger | undefined;
}

/** What a call takes as its body. */
export type BodyOf<R extends Route> = R extends { readonly body: infer B extends z.ZodType }
  ? z.input<B>
  : never;

/** What a call takes as its query. */
export type QueryOf<R extends Route> = R extends { readonly query: infer Q extends z.ZodType }
  ? z.output<Q>
  : never;

/** What a resource hands over for one call. */
interface CallInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: object | undefined;
  readonly body?: object | undefined;
  /** The agent's token, for the routes that take one in place of the management key. */
  readonly token?: string | Secret;
}

/** A request as it is on the wire, apart from what changes from try to try. */
interface Wire {
  readonly method: Route["method"];
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
  /** For errors and logs: method and path, without the query. */
  readonly what: string;
}

/** The one way by which every call of every resource goes out and comes back. */
export interface Api {
  /** Calls a route that answers one thing. */
  call<R extends Route>(route: R, input: CallInput, options?: RequestOptions): APIPromise<ResponseOf<R>>;
  /** Calls a route and makes something of its data, for example a secret of a text. */
  callAs<R extends Route, Data>(
    route: R,
    input: CallInput,
    options: RequestOptions | undefined,
    toData: (data: ResponseOf<R>) => Data,
  ): APIPromise<Data>;
  /** Calls a route that answers a list. */
  list<R extends Route>(route: R, input: CallInput, options?: RequestOptions): PagePromise<ResponseOf<R>>;
}

/** Makes the {@link Api} of a client. */
export function createApi(config: ApiConfig): Api {
  async function exchange(route: Route, input: CallInput, options: RequestOptions) {
    const wire = toWire(config, route, input, options);
    return { what: wire.what, answer: await sendWithRetries(config, wire, options) };
  }

  async function parse<R extends Route, Data>(
    route: R,
    input: CallInput,
    options: RequestOptions,
    toData: (data: ResponseOf<R>) => Data,
  ): Promise<Parsed<Data>> {
    const { answer, what } = await exchange(route, input, options);
    const data = toData(checkData(route, answer, what));
    return { data, answer: bare(answer) };
  }

  async function parsePage<R extends Route>(
    route: R,
    input: CallInput,
    options: RequestOptions,
  ): Promise<Parsed<Page<ResponseOf<R>>>> {
    const { answer, what } = await exchange(route, input, options);
    const { data, pagination } = checkList(route, answer, what);
    const query = input.query ?? {};
    const page = new Page(data, pagination, (cursor) => {
      if ("cursor" in query && query.cursor === cursor) {
        throw new LicentricError(
          `${what} answered its own cursor as the next one: the list would never end.`,
        );
      }
      return list(route, { ...input, query: { ...query, cursor } }, options);
    });
    return { data: page, answer: bare(answer) };
  }

  function call<R extends Route>(
    route: R,
    input: CallInput,
    options: RequestOptions = {},
  ): APIPromise<ResponseOf<R>> {
    return new APIPromise(
      traced(
        parse(route, input, options, (data) => data),
        call,
      ),
    );
  }

  function callAs<R extends Route, Data>(
    route: R,
    input: CallInput,
    options: RequestOptions | undefined,
    toData: (data: ResponseOf<R>) => Data,
  ): APIPromise<Data> {
    return new APIPromise(traced(parse(route, input, options ?? {}, toData), callAs));
  }

  function list<R extends Route>(
    route: R,
    input: CallInput,
    options: RequestOptions = {},
  ): PagePromise<ResponseOf<R>> {
    return new PagePromise(traced(parsePage(route, input, options), list));
  }

  return { call, callAs, list };
}

/** Without the text: it may hold a secret, and everything in it is in the data. */
const bare = ({ status, headers, attempts }: Answer): Answer => ({ status, headers, attempts });

/**
 * Adds the line of the user's code that made a call to what the call throws: V8 follows `await`, but not into a
 * promise that a constructor settles.
 */
async function traced<Result>(result: Promise<Result>, above: (...args: never) => unknown): Promise<Result> {
  const site: { stack?: string } = {};
  Error.captureStackTrace(site, above);
  try {
    return await result;
  } catch (error) {
    const frames = site.stack?.replace(/^[^\n]*\n/, "");
    if (error instanceof LicentricError && frames)
      error.stack = `${error.stack}\n    --- called from ---\n${frames}`;
    throw error;
  }
}

async function sendWithRetries(
  config: ApiConfig,
  wire: Wire,
  options: RequestOptions,
): Promise<TextAnswer & Answer> {
  const { signal } = options;
  const timeout = checkMilliseconds("timeout", options.timeout ?? config.timeout);
  const deadline = checkMilliseconds("deadline", options.deadline ?? config.deadline ?? 2 * timeout);
  const maxRetries = checkRetries(options.maxRetries ?? config.maxRetries);
  const end = performance.now() + deadline;

  for (let attempt = 0; ; attempt++) {
    const started = performance.now();
    const remaining = end - started;
    const outcome = await attemptOnce(config, wire, Math.min(timeout, remaining), signal);
    const took = `${Math.round(performance.now() - started)} ms, try ${attempt + 1} of ${maxRetries + 1}`;
    if ("text" in outcome) {
      config.logger?.debug(`${wire.what}: ${outcome.status} in ${took}${requestIdNote(outcome)}`);
      return { ...outcome, attempts: attempt + 1 };
    }
    const { error, retryAfter, retryable } = outcome;
    const summary = `${error.name}${error.status ? ` ${error.status}` : ""}${error.code ? ` ${error.code}` : ""}`;
    config.logger?.debug(`${wire.what}: ${summary} after ${took}`);
    if (!retryable || attempt >= maxRetries) throw error;
    const delay = retryDelay(attempt, retryAfter, Math.random);
    if (performance.now() + delay >= end) throw pastDeadline(error, deadline);
    config.logger?.warn(`${wire.what}: ${summary}; trying again in ${Math.round(delay)} ms`);
    await sleep(delay, signal);
  }
}

/** A timeout says which limit ended the call; any other error stays what it is. */
function pastDeadline(error: LicentricError, deadline: number): LicentricError {
  if (!(error instanceof TimeoutError)) return error;
  return new TimeoutError(
    `${error.message} The call's deadline of ${deadline} ms leaves no time for another try.`,
    {
      code: error.code,
      cause: error.cause,
    },
  );
}

interface Failure {
  readonly error: LicentricError;
  readonly retryAfter: number | undefined;
  readonly retryable: boolean;
}

async function attemptOnce(
  config: ApiConfig,
  wire: Wire,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<TextAnswer | Failure> {
  let answer: TextAnswer;
  try {
    answer = await send(config.dispatcher, {
      method: wire.method,
      origin: config.baseUrl.origin,
      path: wire.path,
      headers: wire.headers,
      body: wire.body,
      timeout,
      signal,
    });
  } catch (error) {
    if (isTransient(error)) return { error, retryAfter: undefined, retryable: true };
    throw error;
  }
  if (answer.status >= 200 && answer.status < 300) return answer;
  const retryAfter = parseRetryAfter(header(answer, "retry-after"), header(answer, "date"), Date.now());
  return {
    error: errorFromAnswer(answer, wire.what, retryAfter),
    retryAfter,
    retryable: isRetryable(answer.status, retryAfter),
  };
}

const requestIdNote = (answer: TextAnswer): string => {
  const id = header(answer, "x-request-id");
  return id ? `, request ${id}` : "";
};

function toWire(config: ApiConfig, route: Route, input: CallInput, options: RequestOptions): Wire {
  const path = config.baseUrl.pathname.replace(/\/$/, "") + fillPath(route.path, input.params ?? {});
  const headers = mergeHeaders(config.headers, options.headers);
  headers["authorization"] = `Bearer ${credential(config, route, input.token)}`;
  headers["accept"] = "application/json";
  headers["user-agent"] ??= `licentric-sdk/${VERSION} node/${process.versions.node}`;
  if (route.method === "POST") {
    headers["idempotency-key"] = idempotencyKey(options.idempotencyKey ?? headers["idempotency-key"]);
  }
  const body = input.body === undefined ? undefined : JSON.stringify(input.body, refuseNonFinite);
  if (body !== undefined) headers["content-type"] = "application/json";
  return {
    method: route.method,
    path: path + queryText(input.query),
    headers,
    body,
    // Somebody may pass a token where an id belongs: it must not reach a log through the path.
    what: redactSecrets(`${route.method} ${path}`),
  };
}

function credential(config: ApiConfig, route: Route, token: string | Secret | undefined): string {
  if (route.auth === "key") {
    if (config.apiKey !== null) return config.apiKey;
    throw new AuthenticationError(
      `${route.method} ${route.path} needs a management key, and this client was made with apiKey: null. Make it with new Licentric({ apiKey }).`,
    );
  }
  const text = token === undefined ? "" : secretText(token);
  if (isAgentToken(text)) return text;
  throw new AuthenticationError(
    text.startsWith("lk_")
      ? "A management key was passed where an agent's token (AGT-…) belongs: pass the token that mcp.authorize answered."
      : 'The agent\'s token is missing or malformed: it begins with "AGT-", as mcp.authorize answered it.',
  );
}

function idempotencyKey(given: string | undefined): string {
  if (given === undefined) return randomUUID();
  if (IdempotencyKey.safeParse(given).success) return given;
  throw invalid("idempotencyKey", "must be 1 to 255 printable ASCII characters");
}

function fillPath(path: string, params: Readonly<Record<string, string>>): string {
  for (const [name, value] of Object.entries(params)) {
    // An empty segment would reach another route: agents.get("") the list of all agents.
    if (typeof value !== "string" || value === "") throw invalid(name, "is missing: pass the resource's id");
    if (value === "." || value === "..") throw invalid(name, "is no resource's id");
  }
  return buildPath(path, params);
}

function queryText(query: object | undefined): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) search.set(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

function mergeHeaders(...sources: (HeaderFields | undefined)[]): Record<string, string> {
  const merged: Record<string, string> = {};
  for (const source of sources) {
    for (const [name, value] of Object.entries(source ?? {})) {
      if (value === undefined) delete merged[name.toLowerCase()];
      else merged[name.toLowerCase()] = value;
    }
  }
  return merged;
}

/** JSON writes NaN and Infinity as null: a quantity that got lost on the way to a bill. */
function refuseNonFinite(name: string, value: unknown): unknown {
  if (typeof value !== "number" || Number.isFinite(value)) return value;
  throw invalid(name, `is ${value}, which JSON cannot carry: pass a finite number`);
}

const invalid = (path: string, message: string): ValidationError =>
  new ValidationError(`${path} ${message}.`, { issues: [{ path, message }] });

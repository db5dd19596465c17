import { randomUUID } from "node:crypto";
import { buildPath, IdempotencyKey, isAgentToken, type Route, redactSecrets } from "@licentric/contract";
import { platform } from "#platform";
import { AuthenticationError, ValidationError } from "./errors.ts";
import type { ClientConfig, HeaderFields, RequestOptions } from "./options.ts";
import { type Secret, secretText } from "./secret.ts";
import { VERSION } from "./version.ts";

/** The input of one call, as a resource passes it on. */
export interface CallInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: object | undefined;
  readonly body?: object | undefined;
  /** The body as JSON, in place of `body`. */
  readonly json?: string | Uint8Array;
  /** Asks for no more of the response than the route's `minimalResponse`. */
  readonly minimal?: true;
  /** The agent's token, for the routes that take one in place of the management key. */
  readonly token?: string | Secret;
}

/** A request as it is on the wire, apart from what changes from try to try. */
export interface Wire {
  readonly method: Route["method"];
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | Uint8Array | undefined;
  /** For errors and logs: method and path, without the query. */
  readonly what: string;
}

/**
 * A call as it goes over the wire, the same on every try.
 *
 * @throws AuthenticationError where the credential cannot be right
 * @throws ValidationError where something cannot be sent as it is meant
 */
export function toWire(config: ClientConfig, route: Route, input: CallInput, options: RequestOptions): Wire {
  const path = config.baseUrl.pathname.replace(/\/$/, "") + fillPath(route.path, input.params ?? {});
  const headers = mergeHeaders(config.headers, options.headers);
  headers["authorization"] = `Bearer ${credential(config, route, input.token)}`;
  headers["accept"] = "application/json";
  headers["user-agent"] ??= `licentric-sdk/${VERSION} ${platform.name}`;
  if (route.method === "POST") {
    headers["idempotency-key"] = idempotencyKey(options.idempotencyKey ?? headers["idempotency-key"]);
  }
  if (input.minimal) headers["prefer"] = "return=minimal";
  const body = input.body === undefined ? input.json : JSON.stringify(input.body, refuseNonFinite);
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

function credential(config: ClientConfig, route: Route, token: string | Secret | undefined): string {
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
    if (value === "." || value === "..") throw invalid(name, "is not a valid resource id");
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

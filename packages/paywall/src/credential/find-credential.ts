import { hash } from "node:crypto";
import type { CallSubject, Emitter } from "../events.ts";
import { type Links, refuse } from "../refusal/refusal.ts";
import { RefusedError } from "../refusal/refused-error.ts";
import { TimeLimitError, withTimeLimit } from "../util/time-limit.ts";
/** The environment variable that holds the agent's token for stdio servers. */
export const TOKEN_VARIABLE = "LICENTRIC_AGENT_TOKEN";

/** The parts of a request that a {@link TokenSource} can look at. */
export interface TokenRequest {
  /** An HTTP header by its name in any case; undefined where there is none, and always for stdio. */
  header(name: string): string | undefined;
  /** The request's `_meta`. */
  readonly meta: unknown;
  /**
   * The value that the framework handed to the handler: its last argument of an MCP handler, undefined where the framework hands
   * over the arguments alone; the framework's own request over HTTP.
   */
  readonly context: unknown;
}

/** The parts of a call that its token is looked for in. */
export interface CredentialRequest extends TokenRequest {
  /** The token that `requireBearerAuth` has verified. */
  readonly authToken: string | undefined;
  /** The `Authorization` header. */
  readonly authorization: string | undefined;
  /** Returns whether the call is known to come over the process's own stdin or from memory, through an official SDK. */
  isLocal(): boolean;
  /** True where it is known where a credential would be in this request, so that one that was sent is seen. */
  readonly isRecognized: boolean;
}

/** Says which token a call came with; undefined leaves it to the usual places. */
export type TokenSource = (request: TokenRequest) => string | undefined | Promise<string | undefined>;

/** An owner's token function that cannot be used: it threw, did not return in time, or returned what is no token. */
class TokenSourceError extends Error {
  static {
    TokenSourceError.prototype.name = "TokenSourceError";
  }
}

/**
 * The token of a call: of the owner's own source, else of `requireBearerAuth`, else of the `Authorization` header, else, of
 * a call that is known to be local, of the environment.
 *
 * @param timeLimit - milliseconds that the owner's own source may take
 * @throws TokenSourceError where the owner's own source cannot be used
 */
export async function findToken(
  context: CredentialRequest,
  source: TokenSource | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  timeLimit: number,
): Promise<string | undefined> {
  const own = source && (await askSource(source, context, timeLimit));
  if (own !== undefined) return own;
  if (context.authToken !== undefined) return context.authToken;
  if (context.authorization !== undefined) return bearerToken(context.authorization);
  // Set and empty is how a shell or a compose file says that it has none.
  const ofProcess = environment[TOKEN_VARIABLE] || undefined;
  return ofProcess !== undefined && context.isLocal() ? ofProcess : undefined;
}

async function askSource(
  source: TokenSource,
  context: CredentialRequest,
  timeLimit: number,
): Promise<string | undefined> {
  let own: unknown;
  try {
    own = await withTimeLimit(
      source({ header: context.header, meta: context.meta, context: context.context }),
      timeLimit,
    );
  } catch (error) {
    if (error instanceof TimeLimitError)
      throw new TokenSourceError(
        `token did not return within ${timeLimit} ms: let the function that is given to createPaywall as token give up sooner, or raise timeout`,
        { cause: error },
      );
    throw new TokenSourceError("token threw", { cause: error });
  }
  // A program without types returns what `Headers.get` does.
  if (typeof own === "string" || own === undefined) return own;
  if (own === null) return undefined;
  throw new TokenSourceError(`token returned a value of type ${typeof own}, not a string or undefined`);
}

/** The token of an `Authorization: Bearer …` header, the scheme in any case; "" where it is another scheme. */
export function bearerToken(header: string): string {
  return /^bearer +(\S+) *$/i.exec(header)?.[1] ?? "";
}

declare const isHash: unique symbol;

/** Names a token where the token itself must not be kept. */
export type TokenHash = string & { readonly [isHash]: true };

/** The SHA-256 of a token. */
export function hashToken(token: string): TokenHash {
  return hash("sha256", token, "base64url") as TokenHash;
}

/** Returns whether a string can be an agent's token at all. What cannot is refused without a request. */
export function isAgentToken(text: string): boolean {
  return /^AGT-[\w.~+/=-]{8,500}$/.test(text);
}

/**
 * Finds the token that a request came with, for a call where it is one.
 *
 * The function throws {@link RefusedError} where the owner's own token function cannot be used, and where none is given
 * although nothing says where the token is.
 */
export type FindCallToken = (request: CredentialRequest, call?: CallSubject) => Promise<string | undefined>;

/** Makes the function that finds tokens, and tells the owner of what is in the way. */
export function createFindCallToken(options: {
  readonly tokenSource: TokenSource | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Milliseconds that the owner's own token function may take. */
  readonly timeout: number;
  readonly emitter: Emitter;
  readonly links: Links;
}): FindCallToken {
  const { tokenSource, environment, timeout, emitter, links } = options;
  return async (request, call) => {
    try {
      const token = await findToken(request, tokenSource, environment, timeout);
      if (token !== undefined) return token;
      if (environment[TOKEN_VARIABLE]) emitter.warn(VARIABLE_UNUSED);
      if (tokenSource !== undefined || request.isRecognized) return undefined;
      if (!environment[TOKEN_VARIABLE]) emitter.warn(CONTEXT_UNKNOWN);
    } catch (error) {
      if (!(error instanceof TokenSourceError)) throw error;
      emitter.emit("failed", {
        reason: error.message,
        error: error.cause ?? error,
        ...(call !== undefined && { kind: call.kind, name: call.name }),
      });
    }
    throw new RefusedError(refuse("misconfigured", links));
  };
}

const CONTEXT_UNKNOWN =
  "a charged handler was called without anything that says who called: its framework hands over a context that is not known, or none. Say where the agent's token is: createPaywall({ token: ({ context }) => … }), where context is the handler's last argument. The page of your framework in the documentation shows how";

const VARIABLE_UNUSED = `${TOKEN_VARIABLE} is set and was not used for a call without a token: nothing shows that the call came from the agent that started this process. If nobody else can call this server (stdio through a framework, or tools that are wrapped one by one and called in memory), say so: createPaywall({ token: () => process.env["${TOKEN_VARIABLE}"] }). If it serves HTTP, each agent has to send its own token: unset the variable`;

/**
 * The idempotency key that an agent sent: undefined where it sent none, null where it is none that can be used.
 *
 * @param sent - what it sent
 */
export function readAgentKey(sent: unknown): string | null | undefined {
  if (sent === undefined) return undefined;
  return typeof sent === "string" && /^[\x20-\x7E]{1,255}$/.test(sent) ? sent : null;
}

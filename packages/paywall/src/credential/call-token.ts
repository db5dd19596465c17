import type { CallSubject, Emitter } from "../events.ts";
import { type Links, refuse } from "../refusal/refusal.ts";
import { Refused } from "../refusal/refused.ts";
import {
  type CredentialRequest,
  findToken,
  TOKEN_VARIABLE,
  type TokenSource,
  TokenSourceError,
} from "./token.ts";

/**
 * Finds the token that a request came with, for a call where it is one.
 *
 * The function throws {@link Refused} where the owner's own token function cannot be used, and where none is given
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
  const told = new Set<string>();

  /** Says once what is in the way, and what to do. */
  function warn(reason: string): void {
    if (told.has(reason)) return;
    told.add(reason);
    process.emitWarning(reason, "LicentricWarning");
    emitter.emit("failed", { reason, error: undefined });
  }

  return async (request, call) => {
    try {
      const token = await findToken(request, tokenSource, environment, timeout);
      if (token !== undefined) return token;
      if (environment[TOKEN_VARIABLE]) warn(VARIABLE_UNUSED);
      if (tokenSource !== undefined || request.isRecognized) return undefined;
      if (!environment[TOKEN_VARIABLE]) warn(CONTEXT_UNKNOWN);
    } catch (error) {
      if (!(error instanceof TokenSourceError)) throw error;
      emitter.emit("failed", {
        reason: error.message,
        error: error.cause ?? error,
        ...(call !== undefined && { kind: call.kind, name: call.name }),
      });
    }
    throw new Refused(refuse("misconfigured", links));
  };
}

const CONTEXT_UNKNOWN =
  "a charged handler was called without anything that says who called: its framework hands over a context that is not known, or none. Say where the agent's token is: createPaywall({ token: ({ context }) => … }), where context is the handler's last argument. The page of your framework in the documentation shows how";

const VARIABLE_UNUSED = `${TOKEN_VARIABLE} is set and was not used for a call without a token: nothing shows that the call came from the agent that started this process. If nobody else can call this server (stdio through a framework, or tools that are wrapped one by one and called in memory), say so: createPaywall({ token: () => process.env["${TOKEN_VARIABLE}"] }). If it serves HTTP, each agent has to send its own token: unset the variable`;

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
 * The function throws {@link Refused} where the owner's own token function cannot be used.
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
  let hasWarned = false;

  /** Says once that the environment's token was not used, and what to do. */
  function warnOfVariable(): void {
    if (hasWarned) return;
    hasWarned = true;
    process.emitWarning(VARIABLE_UNUSED, "LicentricWarning");
    emitter.emit("failed", { reason: VARIABLE_UNUSED, error: undefined });
  }

  return async (request, call) => {
    try {
      const token = await findToken(request, tokenSource, environment, timeout);
      if (token === undefined && environment[TOKEN_VARIABLE]) warnOfVariable();
      return token;
    } catch (error) {
      if (!(error instanceof TokenSourceError)) throw error;
      emitter.emit("failed", {
        reason: error.message,
        error: error.cause ?? error,
        ...(call !== undefined && { kind: call.kind, name: call.name }),
      });
      throw new Refused(refuse("misconfigured", links));
    }
  };
}

const VARIABLE_UNUSED = `${TOKEN_VARIABLE} is set and was not used for a call without a token: nothing shows that the call came from the agent that started this process. If nobody else can call this server (stdio through a framework, or tools that are wrapped one by one and called in memory), say so: createPaywall({ token: () => process.env["${TOKEN_VARIABLE}"] }). If it serves HTTP, each agent has to send its own token: unset the variable`;

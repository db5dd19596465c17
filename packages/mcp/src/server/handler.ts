import type { Gate } from "../charging/gate.ts";
import type { Passages } from "../charging/passages.ts";
import type { Policy } from "../charging/policy.ts";
import { RefusedError, toToolResult } from "../refusal.ts";

// biome-ignore lint/suspicious/noExplicitAny: a handler of either SDK, with or without arguments; users see its own type
export type AnyHandler = (...params: any[]) => unknown;

/** What a guarded handler was made of, so that a protected server can take it apart. */
export interface GuardedHandler {
  readonly policy: Policy;
  readonly handler: AnyHandler;
}

/** The arguments among a handler's parameters: the last one is the context, and a handler without arguments has no other. */
export function argsOf(params: readonly unknown[]): unknown {
  return params.length > 1 ? params[0] : undefined;
}

/**
 * A handler that lets its caller through first. A refused tool call answers an error result; a refused prompt or
 * resource, which have none, throws a {@link RefusedError}.
 */
export function guardHandler(passages: Passages, gate: Gate, handler: AnyHandler): AnyHandler {
  return async (...params: unknown[]) => {
    const passage = await passages.pass(gate, argsOf(params), params.at(-1), () => handler(...params));
    if ("result" in passage) return passage.result;
    if (gate.kind === "tool") return toToolResult(passage.refusal);
    throw new RefusedError(passage.refusal);
  };
}

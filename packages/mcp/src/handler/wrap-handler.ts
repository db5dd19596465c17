import type { Policy } from "@licentric/paywall/adapter";
import { argsOf, contextOf } from "../context/request-context.ts";
import { asPrivate } from "../protocol/cache-scope.ts";
import { RefusedRequestError, toToolResult } from "../protocol/refusal-result.ts";
import type { Passages } from "./handler-charges.ts";
import type { ServedGate } from "./request-scope.ts";

// biome-ignore lint/suspicious/noExplicitAny: a handler of either SDK, with or without arguments; users see its own type
export type AnyHandler = (...params: any[]) => unknown;

/** What a guarded handler was made of, so that a protected server can take it apart. */
export interface GuardedHandler {
  /** Of the paywall that guards it. */
  readonly passages: Passages;
  readonly policy: Policy;
  readonly handler: AnyHandler;
}

/** Every guarded handler of every paywall: what is guarded twice would be billed twice. */
const guarded = new WeakMap<object, GuardedHandler>();

/** What a handler was made of, where a paywall guards it. */
export function guardedOf(handler: unknown): GuardedHandler | undefined {
  return typeof handler === "function" ? guarded.get(handler) : undefined;
}

/**
 * A handler that lets its caller through first. A refused tool call answers an error result; a refused prompt or
 * resource, which have none, throws a {@link RefusedRequestError}.
 *
 * @throws TypeError where a paywall guards the handler already
 */
export function guardHandler(passages: Passages, gate: ServedGate, handler: AnyHandler): AnyHandler {
  if (guardedOf(handler) !== undefined) {
    throw new TypeError(
      `paywall.${gate.kind}: this handler is wrapped already, and every call would be billed twice: wrap it once`,
    );
  }
  const made = async (...params: unknown[]) => {
    const context = contextOf(params);
    const passage = await passages.pass(gate, argsOf(params), context, () => handler(...params));
    if ("result" in passage)
      return gate.kind === "resource" ? asPrivate(passage.result, context) : passage.result;
    if (gate.kind === "tool") return toToolResult(passage.refusal);
    throw new RefusedRequestError(passage.refusal);
  };
  guarded.set(made, { passages, policy: gate.policy, handler });
  return made;
}

import type { Policy } from "@licentric/paywall/adapter";
import { argsOf, contextOf } from "../context/request-context.ts";
import { asPrivate } from "../protocol/cache-scope.ts";
import { RefusedRequestError, toToolResult } from "../protocol/refusal-result.ts";
import type { HandlerCharges } from "./handler-charges.ts";
import type { ServedTarget } from "./request-scope.ts";

// biome-ignore lint/suspicious/noExplicitAny: a handler of either SDK, with or without arguments; users see its own type
export type AnyHandler = (...params: any[]) => unknown;

/** The parts of a guarded handler, so that a protected server can take it apart. */
export interface GuardedHandler {
  /** Of the paywall that guards it. */
  readonly handlerCharges: HandlerCharges;
  readonly policy: Policy;
  readonly handler: AnyHandler;
}

/** Every guarded handler of every paywall: what is guarded twice would be billed twice. */
const guarded = new WeakMap<object, GuardedHandler>();

/** Returns the parts of a handler that a paywall guards. */
export function guardedOf(handler: unknown): GuardedHandler | undefined {
  return typeof handler === "function" ? guarded.get(handler) : undefined;
}

/**
 * Makes a handler that runs for callers that may call it. A refused tool call returns an error result; a refused prompt or
 * resource, which have none, throws a {@link RefusedRequestError}.
 *
 * @param refusals - `"throw"` for a tool that throws one, too
 * @throws TypeError where a paywall guards the handler already
 */
export function guardHandler(
  handlerCharges: HandlerCharges,
  target: ServedTarget,
  handler: AnyHandler,
  refusals: "result" | "throw",
): AnyHandler {
  if (guardedOf(handler) !== undefined) {
    throw new TypeError(
      `paywall.${target.kind}: this handler is wrapped already, and every call would be billed twice: wrap it once`,
    );
  }
  const made = async (...params: unknown[]) => {
    const context = contextOf(params);
    const chargeResult = await handlerCharges.charge(target, argsOf(params), context, () =>
      handler(...params),
    );
    if ("result" in chargeResult)
      return target.kind === "resource" ? asPrivate(chargeResult.result, context) : chargeResult.result;
    if (target.kind === "tool" && refusals === "result") return toToolResult(chargeResult.refusal);
    throw new RefusedRequestError(chargeResult.refusal);
  };
  guarded.set(made, { handlerCharges, policy: target.policy, handler });
  return made;
}

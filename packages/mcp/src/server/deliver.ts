import type { Policy } from "@licentric/paywall/adapter";
import type { ServedKind } from "../handler/request-scope.ts";
import { asPrivate } from "../protocol/cache-scope.ts";
import type { ServerPlan } from "./server-plan.ts";

/**
 * Delivers a result to the caller that was authorized for it and to nobody else: no cache shares it, and no other agent
 * reads the task that it starts. What is free for everybody, and authorized nobody on its way, stays everybody's.
 */
export function deliver(
  plan: ServerPlan,
  kind: ServedKind,
  policy: Policy | false,
  result: unknown,
  context: unknown,
): unknown {
  const owner =
    plan.handlerCharges.callsOf(context).at(-1)?.caller ?? (policy === false ? "everybody" : undefined);
  if (owner !== undefined) plan.tasks.remember(result, owner);
  return kind === "resource" && owner !== "everybody" ? asPrivate(result, context) : result;
}

import type { Policy } from "@licentric/paywall/adapter";
import { isRecord, property, stringProperty } from "@licentric/paywall/adapter";
import { asPrivate } from "../protocol/cache-scope.ts";
import { META_PREFIX } from "../protocol/meta.ts";
import type { BuiltIn } from "./registered.ts";
import type { RequestHandler } from "./request-handler.ts";
import type { ServerPlan } from "./server-plan.ts";
import { warnOfUnknownNames } from "./unknown-names.ts";

/** `_meta` key of what a tool costs, in `tools/list`. */
export const CHARGE_META_KEY = `${META_PREFIX}charge`;

/** The price of a charged tool in `tools/list`, without what an owner's function computes. */
export interface ChargeInfo {
  readonly meterName?: string;
  readonly quantity?: number;
  readonly charge: Policy["charge"];
  readonly scopes: readonly string[];
  readonly price?: string;
}

/** Adds to each listed tool what it costs, and leaves out what the caller may not call where the owner wants that. */
export function annotateTools(run: RequestHandler, plan: ServerPlan, builtIn?: BuiltIn): RequestHandler {
  const policyOf = (name: string) => {
    const registered = builtIn?.find("tool", name);
    return registered?.ownPolicy ?? plan.policyFor("tool", registered?.names ?? [name]);
  };
  return async (request, context) => {
    const listed = await run(request, context);
    const tools = property(listed, "tools");
    if (!isRecord(listed) || !Array.isArray(tools)) return listed;
    // A page says nothing of the others.
    if (listed["nextCursor"] === undefined)
      warnOfUnknownNames(
        plan,
        builtIn,
        "tool",
        tools.flatMap((tool: unknown) => stringProperty(tool, "name") ?? []),
      );
    const scopes = plan.hideUncallable ? await plan.scopesOf(context) : undefined;
    const annotated = tools.flatMap((tool: unknown) => {
      const name = property(tool, "name");
      const policy = typeof name === "string" ? policyOf(name) : false;
      if (!isRecord(tool) || policy === false) return [tool];
      if (
        scopes !== undefined &&
        (scopes === "none" || !policy.scopes.every((scope) => scopes.includes(scope)))
      )
        return [];
      const meta = isRecord(tool["_meta"]) ? tool["_meta"] : {};
      return [{ ...tool, _meta: { ...meta, [CHARGE_META_KEY]: chargeInfo(policy) } }];
    });
    const result = { ...listed, tools: annotated };
    // What is left out depends on who asks.
    return plan.hideUncallable ? asPrivate(result, context) : result;
  };
}

function chargeInfo({ meterName, quantity = 1, charge, scopes, price }: Policy): ChargeInfo {
  return {
    ...(typeof meterName === "string" && { meterName, ...(typeof quantity === "number" && { quantity }) }),
    charge,
    scopes,
    ...(price !== undefined && { price }),
  };
}

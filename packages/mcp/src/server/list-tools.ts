import type { Policy, PriceList } from "@licentric/paywall/adapter";
import { isRecord, property, stringProperty } from "@licentric/paywall/adapter";
import { asPrivate } from "../protocol/cache-scope.ts";
import { META_PREFIX } from "../protocol/meta.ts";
import { priceText } from "../protocol/price-text.ts";
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
    const [scopes, prices] = await Promise.all([
      plan.hideUncallable ? plan.scopesOf(context) : undefined,
      plan.showPrices ? plan.pricesOf(context) : undefined,
    ]);
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
      return [{ ...tool, _meta: { ...meta, [CHARGE_META_KEY]: chargeInfo(policy, prices) } }];
    });
    const result = { ...listed, tools: annotated };
    // What is left out, and what it costs, depends on who asks.
    return plan.hideUncallable || plan.showPrices ? asPrivate(result, context) : result;
  };
}

function chargeInfo(policy: Policy, prices: PriceList | undefined): ChargeInfo {
  const { meterName, quantity = 1, charge, scopes } = policy;
  const listed = typeof meterName === "string" ? prices?.get(meterName) : undefined;
  const price = policy.price ?? (listed && priceText(listed));
  return {
    ...(typeof meterName === "string" && { meterName, ...(typeof quantity === "number" && { quantity }) }),
    charge,
    scopes,
    ...(price !== undefined && { price }),
  };
}

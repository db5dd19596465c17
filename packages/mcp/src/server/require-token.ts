import { property, RefusedError, refuse, stringProperty } from "@licentric/paywall/adapter";
import { invalidParams } from "../protocol/invalid-params.ts";
import { RefusedRequestError } from "../protocol/refusal-result.ts";
import type { BuiltIn } from "./registered.ts";
import type { RequestHandler } from "./request-handler.ts";
import type { ServerPlan } from "./server-plan.ts";

/** Guards a request that costs nothing, where the owner wants a valid token for it. */
export function requireToken(
  method: unknown,
  run: RequestHandler,
  plan: ServerPlan,
  builtIn: BuiltIn | undefined,
): RequestHandler {
  return async (request, context) => {
    const scopes = method === "completion/complete" ? scopesOfCompleted(request, plan, builtIn) : [];
    if (scopes === "free") return run(request, context);
    try {
      const caller = await plan.identify(context);
      if (!scopes.every((scope) => caller.scopes.includes(scope)))
        throw new RefusedError(refuse("insufficient_scope", plan.links, { requiredScopes: scopes }));
    } catch (error) {
      throw error instanceof RefusedError ? new RefusedRequestError(error.refusal) : error;
    }
    return run(request, context);
  };
}

/** Returns the scopes of the prompt or resource that a request completes. */
function scopesOfCompleted(
  request: unknown,
  plan: ServerPlan,
  builtIn: BuiltIn | undefined,
): readonly string[] | "free" {
  const ref = property(property(request, "params"), "ref");
  const kind = property(ref, "type") === "ref/prompt" ? "prompt" : "resource";
  const name = stringProperty(ref, kind === "prompt" ? "name" : "uri");
  if (name === undefined)
    throw invalidParams("Invalid completion/complete request: its ref needs a name or a uri");
  // A template is asked for as it is registered, not by a URI that it matches.
  const registered = builtIn?.names(kind).find((names) => names.includes(name));
  const policy = plan.policyFor(kind, registered ?? [name]);
  return policy === false ? "free" : policy.scopes;
}

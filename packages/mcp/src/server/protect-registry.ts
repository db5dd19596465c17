import type { Policy } from "@licentric/paywall/adapter";
import { isRecord, property } from "@licentric/paywall/adapter";
import { argsOf, contextOf } from "../context/request-context.ts";
import type { ServedKind, ServedTarget } from "../handler/request-scope.ts";
import { type AnyHandler, guardedOf } from "../handler/wrap-handler.ts";
import { RefusedRequestError, toToolResult } from "../protocol/refusal-result.ts";
import { deliver } from "./deliver.ts";
import { notGuardable } from "./not-guardable.ts";
import { acceptedArgs, type BuiltIn, findEntry, isTemplate, namesOf, rememberName } from "./registered.ts";
import type { ServerPlan } from "./server-plan.ts";

/** The methods whose handlers an `McpServer` installs by itself, with the names of what it keeps for them. */
const REGISTRIES = [
  {
    kind: "tool",
    registry: "_registeredTools",
    install: "setToolRequestHandlers",
  },
  {
    kind: "prompt",
    registry: "_registeredPrompts",
    install: "setPromptRequestHandlers",
  },
  {
    kind: "resource",
    registry: "_registeredResources",
    install: "setResourceRequestHandlers",
  },
  {
    kind: "resource",
    registry: "_registeredResourceTemplates",
    install: "setResourceRequestHandlers",
  },
] as const;

/**
 * Guards everything that is or will be registered with an `McpServer`. The registries are watched, and in each
 * registered thing the property that holds the handler: a handler that is set later is guarded when it is read.
 *
 * @throws TypeError where this server keeps its registries in another way
 */
export function guardRegistries(server: object, plan: ServerPlan): BuiltIn {
  const installing = new Set<ServedKind>();
  for (const { kind, registry, install } of REGISTRIES) {
    const entries = property(server, registry);
    const installer = property(server, install);
    if (!isRecord(entries) || typeof installer !== "function")
      throw notGuardable(`it has no ${registry} or no ${install}`);
    for (const [key, entry] of Object.entries(entries)) guardEntry(kind, key, entry, plan);
    const watched = new Proxy(entries, {
      set(target, key, entry) {
        if (typeof key === "string") guardEntry(kind, key, entry, plan);
        return Reflect.set(target, key, entry);
      },
      defineProperty(target, key, descriptor) {
        if (typeof key === "string") guardEntry(kind, key, descriptor.value, plan);
        return Reflect.defineProperty(target, key, descriptor);
      },
    });
    Object.defineProperty(server, registry, { value: watched, writable: false, configurable: false });
    if (Object.hasOwn(server, install)) continue;
    Object.defineProperty(server, install, {
      configurable: true,
      value(...params: unknown[]) {
        installing.add(kind);
        try {
          return Reflect.apply(installer, server, params);
        } finally {
          installing.delete(kind);
        }
      },
    });
  }
  const registriesOf = (kind: ServedKind) =>
    REGISTRIES.filter((known) => known.kind === kind)
      .map(({ registry }) => property(server, registry))
      .filter(isRecord);
  return {
    installing: (kind) => installing.has(kind),
    names: (kind) =>
      registriesOf(kind)
        .flatMap((entries) => Object.entries(entries))
        .map(([name, entry]) => (isRecord(entry) ? namesOf({ name, entry }) : [name])),
    find(kind, asked) {
      const found = findEntry(kind, registriesOf(kind), asked);
      return (
        found && {
          name: found.name,
          names: namesOf(found),
          ownPolicy: ownPolicies.get(found.entry),
          accept: (params) => acceptedArgs(server, found, params),
        }
      );
    },
  };
}

/** The policies that registered things bring themselves. */
const ownPolicies = new WeakMap<object, Policy>();

/** The name under which a thing is registered now: it can be renamed. */
const keys = new WeakMap<object, { current: string }>();

/** Guards one registered thing, whatever becomes of its handler and its name later. */
function guardEntry(kind: ServedKind, key: string, entry: unknown, plan: ServerPlan): void {
  if (!isRecord(entry)) throw notGuardable(`the ${kind} "${key}" is registered in a form that is not known`);
  const renamed = keys.get(entry);
  if (renamed !== undefined) {
    if (renamed.current !== key) rememberName(entry, renamed.current);
    renamed.current = key;
    return;
  }
  const handlerKeys = HANDLER_KEYS[kind].filter((handlerKey) => handlerKey in entry);
  if (handlerKeys.length === 0)
    throw notGuardable(`the ${kind} "${key}" has no handler where one is expected`);
  const name = { current: key };
  keys.set(entry, name);
  if (plan.scopeStepUp && "scopeChallenge" in entry)
    entry["scopeChallenge"] ??= scopeChallenge(kind, name, entry, plan);
  const original: Handlers = Object.fromEntries(
    handlerKeys.map((handlerKey) => [handlerKey, entry[handlerKey]]),
  );
  for (const handlerKey of handlerKeys) guardHandlerKey(kind, name, entry, original, handlerKey, plan);
}

/** A registered thing's handlers without their guards, by their properties. */
type Handlers = Record<string, unknown>;

function guardHandlerKey(
  kind: ServedKind,
  name: { readonly current: string },
  entry: Record<PropertyKey, unknown>,
  original: Handlers,
  handlerKey: string,
  plan: ServerPlan,
): void {
  let guarded = guardOriginal(kind, name, entry, original, handlerKey, plan);
  Object.defineProperty(entry, handlerKey, {
    enumerable: true,
    configurable: false,
    get: () => guarded,
    set(next: unknown) {
      // What was read from here and is put back is guarded already.
      if (next === guarded) return;
      original[handlerKey] = next;
      guarded = guardOriginal(kind, name, entry, original, handlerKey, plan);
    },
  });
}

/** Tells SDK v2 which scopes a call lacks, so that it answers 403 before the call is dispatched. */
function scopeChallenge(
  kind: ServedKind,
  name: { readonly current: string },
  entry: Record<PropertyKey, unknown>,
  plan: ServerPlan,
) {
  return (request: unknown) => {
    const granted = property(property(request, "authInfo"), "scopes");
    const policy = ownPolicies.get(entry) ?? plan.policyFor(kind, namesOf({ name: name.current, entry }));
    if (policy === false || !Array.isArray(granted)) return undefined;
    return policy.scopes.every((scope) => granted.includes(scope)) ? undefined : { scopes: policy.scopes };
  };
}

/** The properties in which the SDKs keep a registered thing's handler. Of a tool, v2 calls its executor, and shows its handler as well. */
const HANDLER_KEYS: Readonly<Record<ServedKind, readonly string[]>> = {
  tool: ["executor", "handler"],
  prompt: ["callback", "handler"],
  resource: ["readCallback"],
};

function guardOriginal(
  kind: ServedKind,
  name: { readonly current: string },
  entry: Record<PropertyKey, unknown>,
  handlerKeys: Handlers,
  handlerKey: string,
  plan: ServerPlan,
): unknown {
  const original = handlerKeys[handlerKey];
  if (isFunction(original)) {
    // v2 makes its executor of the handler, and hides that in it.
    const madeOf = handlerKey === "executor" ? handlerKeys["handler"] : original;
    return guardFunction(kind, name, entry, original, plan, madeOf);
  }
  const createTask = property(original, "createTask");
  if (!isRecord(original) || !isFunction(createTask)) {
    throw notGuardable(`the ${kind} "${name.current}" has a handler that is not a function`);
  }
  const policy = plan.policyFor(kind, namesOf({ name: name.current, entry }));
  if (policy !== false && policy.charge !== "call") {
    throw new TypeError(
      `the tool "${name.current}" runs as a task and cannot be charged by "${policy.charge}": its result is known only after the call; set charge: "call"`,
    );
  }
  // Everything but the start of a task is the handler's own, `this` included.
  return Object.create(original, {
    createTask: {
      enumerable: true,
      value: guardFunction(
        kind,
        name,
        entry,
        (...params) => Reflect.apply(createTask, original, params),
        plan,
        createTask,
        "throw",
      ),
    },
  });
}

function guardFunction(
  kind: ServedKind,
  name: { readonly current: string },
  entry: Record<PropertyKey, unknown>,
  original: AnyHandler,
  plan: ServerPlan,
  madeOf: unknown,
  refusals: "result" | "throw" = kind === "tool" ? "result" : "throw",
): AnyHandler {
  const wrapped = guardedOf(madeOf);
  if (wrapped !== undefined && wrapped.handlerCharges !== plan.handlerCharges) {
    throw new TypeError(
      `the ${kind} "${name.current}" is wrapped by another paywall than the one that protects its server, and every call would be billed by both: use one paywall`,
    );
  }
  if (wrapped !== undefined && plan.isNamed(kind, namesOf({ name: name.current, entry }))) {
    throw new TypeError(
      `the ${kind} "${name.current}" is wrapped in paywall.${kind} and named in paywall.protect: keep one of the two, so that it is clear what it costs`,
    );
  }
  if (wrapped === undefined) ownPolicies.delete(entry);
  else ownPolicies.set(entry, wrapped.policy);
  return async (...params: unknown[]) => {
    const asked = isTemplate(entry) && params[0] instanceof URL ? params[0].href : undefined;
    const policy = wrapped?.policy ?? plan.policyFor(kind, namesOf({ name: name.current, entry }), asked);
    const run = () => {
      if (wrapped === undefined) return original(...params);
      // v2 hands both parameters to what it calls, and leaves the arguments out for a handler without a schema.
      return madeOf !== original && entry["inputSchema"] === undefined
        ? wrapped.handler(params.at(-1))
        : wrapped.handler(...params);
    };
    const context = contextOf(params);
    if (policy === false) return deliver(plan, kind, policy, await run(), context);
    if (await rejects(kind, entry, params)) return run();
    const target: ServedTarget = {
      kind,
      name: name.current,
      id: `${kind} ${name.current}`,
      policy,
      serves: policy,
    };
    const chargeResult = await plan.handlerCharges.charge(target, argsOf(params), context, run);
    if ("result" in chargeResult) return deliver(plan, kind, policy, chargeResult.result, context);
    if (refusals === "throw") throw new RefusedRequestError(chargeResult.refusal);
    return toToolResult(chargeResult.refusal);
  };
}

/**
 * Returns whether a prompt's handler will reject its arguments. v2 checks them inside of what it calls, so they are checked
 * once more here: what is not run is not billed.
 */
async function rejects(
  kind: ServedKind,
  entry: Record<PropertyKey, unknown>,
  params: readonly unknown[],
): Promise<boolean> {
  if (kind !== "prompt" || "callback" in entry) return false;
  const validate = property(property(entry["argsSchema"], "~standard"), "validate");
  return isFunction(validate) && property(await validate(params[0] ?? {}), "issues") !== undefined;
}

function isFunction(value: unknown): value is AnyHandler {
  return typeof value === "function";
}

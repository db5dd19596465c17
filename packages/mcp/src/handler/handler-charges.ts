import type {
  Call,
  Charged,
  ChargeResult,
  PaywallCore,
  Refusal,
  RunningCall,
} from "@licentric/paywall/adapter";
import { chargeResultOf, completionOf, RefusedError, withResolvers } from "@licentric/paywall/adapter";
import { type RequestContext, readRequestContext, signalIn } from "../context/request-context.ts";
import { outcomeOf, withReceipt, withWarning } from "../protocol/outcome.ts";
import type { Asked, Completion, RequestScope, ServedTarget } from "./request-scope.ts";
import { createRequestScopes, isAskedFor, type RequestScopes } from "./request-scopes.ts";
import { createRunningCalls, type RunningCalls } from "./running-calls.ts";
import { createInnerKeys, type InnerKeys, type KeyedCall, toCall } from "./to-call.ts";

/** Charges for the calls of handlers. */
export interface HandlerCharges {
  /**
   * Runs a handler if its caller may run it, and bills it.
   *
   * @param context - the handler's last argument
   * @throws what the handler throws, unchanged; the signal's reason where the call was cancelled and not billed
   */
  charge(target: ServedTarget, args: unknown, context: unknown, run: () => unknown): Promise<ChargeResult>;
  /** Runs a request in a scope of its own, which whoever opens it ends before `run` does. */
  within<Value>(context: unknown, scope: RequestScope, run: () => Promise<Value>): Promise<Value>;
  /**
   * Returns whether a request is in its scope already: something wraps a guarded handler, and is guarded itself. Then it
   * is for the outermost to settle.
   */
  isWithin(context: unknown, request: Omit<Asked, "sentArgs">): boolean;
  /** Returns the token that a request came with. */
  tokenOf(context: unknown): Promise<string | undefined>;
  /**
   * Returns the call that runs in a handler's context: the one in whose time this runs, unless the context is another
   * request's. Several, innermost last, where it is one of them and nothing says which.
   */
  callsOf(context: unknown): readonly RunningCall[];
}

/** A handler that is to run. */
interface HandlerRun {
  readonly target: ServedTarget;
  readonly args: unknown;
  readonly request: RequestContext;
  readonly run: () => unknown;
}

interface Parts {
  readonly core: PaywallCore;
  readonly scopes: RequestScopes;
  readonly calls: RunningCalls;
  readonly innerKeys: InnerKeys;
}

/** Makes the handler charges of one paywall. */
export function createHandlerCharges(core: PaywallCore): HandlerCharges {
  const scopes = createRequestScopes();
  const calls = createRunningCalls();
  const parts: Parts = { core, scopes, calls, innerKeys: createInnerKeys() };
  return {
    charge: (target, args, context, run) =>
      charge(parts, { target, args, request: readRequestContext(context), run }),
    tokenOf: (context) => core.findToken(readRequestContext(context)),
    within: (context, scope, run) =>
      core.inFlight.run(() => scopes.within(context, scope, () => calls.outside(run))),
    isWithin: scopes.isWithin,
    callsOf(context) {
      const signal = signalIn(context);
      const here = calls.here();
      if (signal !== undefined && signal !== here?.signal) {
        const others = calls.by(signal);
        if (others !== undefined) return others;
        if (scopes.isOfAnother(signal, here?.signal)) return [];
      }
      return here === undefined ? [] : [here.call];
    },
  };
}

async function charge(parts: Parts, handlerRun: HandlerRun): Promise<ChargeResult> {
  const { target, args, request, run } = handlerRun;
  const opened = parts.scopes.find(request, target, args);
  const scope = opened !== undefined && isAskedFor(target, opened, args) ? opened : undefined;
  const asked = opened?.running?.call;
  if (scope === undefined && asked?.coversCalls)
    return { result: await parts.calls.within({ call: asked, signal: request.signal }, run) };
  const chargeResult = await chargeIn(parts, scope, handlerRun, opened);
  if (scope !== undefined) scope.refusal = "refusal" in chargeResult ? chargeResult.refusal : undefined;
  if ("refusal" in chargeResult || !parts.core.receipts) return chargeResult;
  return { result: withReceipt(chargeResult.result, chargeResult.receipt) };
}

async function chargeIn(
  parts: Parts,
  scope: RequestScope | undefined,
  handlerRun: HandlerRun,
  opened: RequestScope | undefined,
): Promise<ChargeResult> {
  const { target, args, request } = handlerRun;
  // Something else has authorized it, or it is entered again for what the client was asked.
  if (scope?.running !== undefined) {
    scope.completion = await handle(parts, scope.running.call, handlerRun);
    return resultOfCompletion(scope.completion);
  }
  const token = await parts.core
    .findToken(request, target)
    .catch((error: unknown) => refusalOf(parts, error, target));
  if (typeof token === "object") return { refusal: token };
  const call = toCall(target, request, token, args, scope === undefined ? args : scope.sentArgs);
  if (scope !== undefined) return chargeInScope(parts, scope, call, handlerRun);
  const keyed = keyedIn(parts, call, request, opened);
  const chargeResult = await chargeAlone(parts, keyed.call, handlerRun);
  if ("refusal" in chargeResult) keyed.giveBack();
  return chargeResult;
}

/** Charges for a call that is settled by its handler's own result. */
async function chargeAlone(parts: Parts, call: Call, handlerRun: HandlerRun): Promise<ChargeResult> {
  const charged = await parts.core.charge(call, handlerRun.target, async (started) => {
    const completion = await handle(parts, started, handlerRun);
    return { completion, outcome: ofHandler(completion) };
  });
  return chargeResultOf(charged);
}

/** Charges for what a request asked for: its handler's result goes out to the SDK first, and settles with the request. */
async function chargeInScope(
  parts: Parts,
  scope: RequestScope,
  call: Call,
  handlerRun: HandlerRun,
): Promise<ChargeResult> {
  const { target, args } = handlerRun;
  const handled = withResolvers<Completion>();
  const charged = parts.core.charge(call, target, async (started) => {
    scope.running = { target, args, call: started };
    const completion = await handle(parts, started, handlerRun);
    scope.completion = completion;
    handled.resolve(completion);
    return scope.finished();
  });
  scope.charged = charged;
  // A handler may run on after its request was answered, and then nobody waits for its charge.
  charged.catch((error: unknown) => {
    const { kind, name } = target;
    const reason = "a call could not be settled after its request had been answered";
    if (scope.isOver) parts.core.emitter.emit("failed", { reason, error, kind, name });
  });
  const first: Completion | Charged = await Promise.race([handled.promise, charged]);
  const isCharged = "chargeResult" in first || "settlement" in first;
  return isCharged ? chargeResultOf(first) : resultOfCompletion(first);
}

/** Runs a handler so that it can be said who called it. */
async function handle(
  { calls }: Parts,
  started: RunningCall,
  { target, request, run }: HandlerRun,
): Promise<Completion> {
  const completion = await completionOf(() => calls.within({ call: started, signal: request.signal }, run));
  if (completion.status === "threw") return completion;
  return {
    status: "returned",
    result: withWarning(completion.result, target.policy, started.caller.budget),
  };
}

/** Gives a key of its own to a call that is not what its request asked for, as far as that is known. */
function keyedIn(
  { scopes, calls, innerKeys }: Parts,
  call: Call,
  request: RequestContext,
  opened: RequestScope | undefined,
): KeyedCall {
  const around = opened ?? scopes.around(request);
  const scope = around?.isOver === false ? around : undefined;
  const caller = calls.here();
  const { signal = caller?.signal ?? caller } = request;
  const isCalled = caller !== undefined && signal === (caller.signal ?? caller);
  return innerKeys.keyFor(call, scope ?? signal, scope !== undefined || isCalled);
}

/** Returns the refusal that something left by, and tells the listeners of it. */
function refusalOf({ core }: Parts, error: unknown, { kind, name }: ServedTarget): Refusal {
  if (!(error instanceof RefusedError)) throw error;
  core.emitter.emit("denied", { kind, name, refusal: error.refusal, agentId: undefined });
  return error.refusal;
}

/** Returns the outcome of a handler whose result nobody checks any more. */
function ofHandler(completion: Completion) {
  return completion.status === "threw"
    ? ({ status: "failed" } as const)
    : outcomeOf(completion.result, completion.result);
}

function resultOfCompletion(completion: Completion): ChargeResult {
  if (completion.status === "threw") throw completion.error;
  return { result: completion.result };
}

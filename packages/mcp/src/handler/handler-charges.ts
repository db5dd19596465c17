import { AsyncLocalStorage } from "node:async_hooks";
import type {
  Call,
  Charged,
  ChargeResult,
  PaywallCore,
  Refusal,
  RunningCall,
} from "@licentric/paywall/adapter";
import { chargeResultOf, completionOf, digest, Refused } from "@licentric/paywall/adapter";
import { type RequestContext, readRequestContext, signalIn } from "../context/request-context.ts";
import { outcomeOf, withWarning } from "../protocol/outcome.ts";
import { createInnerKeys, type KeyedCall } from "./inner-keys.ts";
import type { Asked, Completion, RequestScope, ServedTarget } from "./request-scope.ts";
import { createRunningCalls } from "./running-calls.ts";
import { toCall } from "./to-call.ts";

/** Lets calls through gates. */
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
   * Returns whether a request is in its scope already: something wraps a guarded handler, and is guarded itself. Then it is for
   * the outermost to settle.
   */
  isWithin(context: unknown, request: Omit<Asked, "sentArgs">): boolean;
  /** The token that a request came with. */
  tokenOf(context: unknown): Promise<string | undefined>;
  /**
   * The call that runs in a handler's context: the one in whose time this runs, unless the context is another request's.
   * Several, innermost last, where it is one of them and nothing says which.
   */
  callsOf(context: unknown): readonly RunningCall[];
}

/** One handler on its way through its gate. */
interface HandlerRun {
  readonly target: ServedTarget;
  readonly args: unknown;
  readonly request: RequestContext;
  readonly run: () => unknown;
}

/** Makes the passages of one paywall. */
export function createHandlerCharges({ charge, inFlight, emitter, findToken }: PaywallCore): HandlerCharges {
  const innerKeys = createInnerKeys();
  // By request: each has an abort signal of its own, which no client can choose and SDKs keep when they copy.
  const scopes = new WeakMap<AbortSignal, RequestScope>();
  // What wraps a handler may hand it a context with another signal, and runs it in its own time all the same.
  const around = new AsyncLocalStorage<{ readonly scope: RequestScope; readonly requestId: unknown }>();
  const calls = createRunningCalls();

  return {
    async charge(target, args, context, run) {
      const request = readRequestContext(context);
      const opened = scopeFor(request, target, args);
      const scope = opened !== undefined && isAskedFor(target, opened, args) ? opened : undefined;
      const asked = opened?.running?.call;
      if (scope === undefined && asked?.coversCalls)
        return { result: await calls.within({ call: asked, signal: request.signal }, run) };
      const chargeResult = await chargeIn(scope, { target, args, request, run }, opened);
      if (scope !== undefined) scope.refusal = "refusal" in chargeResult ? chargeResult.refusal : undefined;
      return chargeResult;
    },
    tokenOf: (context) => findToken(readRequestContext(context)),
    async within(context, scope, run) {
      const { signal, requestId } = readRequestContext(context);
      if (signal !== undefined) scopes.set(signal, scope);
      try {
        return await inFlight.run(() => around.run({ scope, requestId }, () => calls.outside(run)));
      } finally {
        scope.isOver = true;
      }
    },
    isWithin(context, { server, kind, name }) {
      const request = readRequestContext(context);
      const { signal } = request;
      const scope = (signal && scopes.get(signal)) ?? scopeAround(request);
      if (scope === undefined || scope.isOver) return false;
      if (scope.server !== server || scope.kind !== kind || scope.name !== name) return false;
      if (signal !== undefined) scopes.set(signal, scope);
      return true;
    },
    callsOf(context) {
      const signal = signalIn(context);
      const here = calls.here();
      if (signal !== undefined && signal !== here?.signal) {
        const others = calls.by(signal);
        if (others !== undefined) return others;
        if (isOfAnother(signal, here?.signal)) return [];
      }
      return here === undefined ? [] : [here.call];
    },
  };

  /** Returns whether a signal is known to be of another request: one that nobody knows may be made of the first one. */
  function isOfAnother(signal: AbortSignal, first: AbortSignal | undefined): boolean {
    const scope = scopes.get(signal);
    return scope !== undefined && scope !== (first && scopes.get(first));
  }

  /** The scope of the request in whose time this runs, where it has the same id; what wraps a handler may leave it out. */
  function scopeAround({ requestId }: RequestContext): RequestScope | undefined {
    const outer = around.getStore();
    return requestId === undefined || outer?.requestId === requestId ? outer?.scope : undefined;
  }

  /** The scope that a gate's call runs in. */
  function scopeFor(request: RequestContext, target: ServedTarget, args: unknown): RequestScope | undefined {
    const { signal } = request;
    const own = signal && scopes.get(signal);
    if (own !== undefined) return own;
    const outer = scopeAround(request);
    // A client may choose the same id for another call: only what was asked for is known to be the same one.
    if (outer === undefined || !isAskedFor(target, outer, args)) return undefined;
    if (signal !== undefined) scopes.set(signal, outer);
    return outer;
  }

  async function chargeIn(
    scope: RequestScope | undefined,
    handlerRun: HandlerRun,
    opened: RequestScope | undefined,
  ): Promise<ChargeResult> {
    const { target, args, request } = handlerRun;
    // Something else has let it in, or it is entered again for what the client was asked.
    if (scope?.running !== undefined) {
      scope.completion = await handle(scope.running.call, handlerRun);
      return resultOfCompletion(scope.completion);
    }
    const token = await findToken(request, target).catch((error: unknown) => refusalOf(error, target));
    if (typeof token === "object") return { refusal: token };
    const call = toCall(target, request, token, args, scope === undefined ? args : scope.sentArgs);
    if (scope !== undefined) return chargeInScope(scope, call, handlerRun);
    const keyed = keyedIn(call, request, opened);
    const chargeResult = await chargeAlone(keyed.call, handlerRun);
    if ("refusal" in chargeResult) keyed.giveBack();
    return chargeResult;
  }

  /** Charges for a call that is settled by its handler's own result. */
  async function chargeAlone(call: Call, handlerRun: HandlerRun): Promise<ChargeResult> {
    const charged = await charge(call, handlerRun.target, async (started) => {
      const completion = await handle(started, handlerRun);
      return { completion, outcome: ofHandler(completion) };
    });
    return chargeResultOf(charged);
  }

  /** Charges for what a request asked for: its handler's result goes out to the SDK first, and settles with the request. */
  async function chargeInScope(
    scope: RequestScope,
    call: Call,
    handlerRun: HandlerRun,
  ): Promise<ChargeResult> {
    let tell: (completion: Completion) => void = () => undefined;
    const handled = new Promise<Completion>((resolve) => {
      tell = resolve;
    });
    const charged = charge(call, handlerRun.target, async (started) => {
      scope.running = { target: handlerRun.target, args: handlerRun.args, call: started };
      const completion = await handle(started, handlerRun);
      scope.completion = completion;
      tell(completion);
      return scope.finished();
    });
    scope.charged = charged;
    // A handler may run on after its request was answered, and then nobody waits for its charge.
    charged.catch((error: unknown) => {
      const { kind, name } = handlerRun.target;
      const reason = "a call could not be settled after its request had been answered";
      if (scope.isOver) emitter.emit("failed", { reason, error, kind, name });
    });
    const first: Completion | Charged = await Promise.race([handled, charged]);
    return "chargeResult" in first || "settlement" in first
      ? chargeResultOf(first)
      : resultOfCompletion(first);
  }

  /** Runs a handler so that it can be said who called it. */
  async function handle(started: RunningCall, { target, request, run }: HandlerRun): Promise<Completion> {
    const completion = await completionOf(() => calls.within({ call: started, signal: request.signal }, run));
    if (completion.status === "threw") return completion;
    return {
      status: "returned",
      result: withWarning(completion.result, target.policy, started.caller.budget),
    };
  }

  /** A call that is not what its request asked for, as far as that is known, by a key of its own. */
  function keyedIn(call: Call, request: RequestContext, opened: RequestScope | undefined): KeyedCall {
    const around = opened ?? scopeAround(request);
    const scope = around?.isOver === false ? around : undefined;
    const caller = calls.here();
    const { signal = caller?.signal ?? caller } = request;
    const isCalled = caller !== undefined && signal === (caller.signal ?? caller);
    return innerKeys.keyFor(call, scope ?? signal, scope !== undefined || isCalled);
  }

  /** The refusal that something left by, told to the listeners. */
  function refusalOf(error: unknown, { kind, name }: ServedTarget): Refusal {
    if (!(error instanceof Refused)) throw error;
    emitter.emit("denied", { kind, name, refusal: error.refusal, agentId: undefined });
    return error.refusal;
  }
}

/** Returns whether a gate stands before what a request asked for. */
function isAskedFor(target: ServedTarget, scope: RequestScope, args: unknown): boolean {
  const { kind, name, running, isOver } = scope;
  if (isOver || target.serves === undefined || target.kind !== kind || target.name !== name) return false;
  if (running === undefined) return true;
  if (running.target.serves !== target.serves) return false;
  // What costs nothing with its own arguments pays for no others: the handler has called itself.
  return running.call.isBilled || isSameArgs(running.args, args);
}

function isSameArgs(before: unknown, now: unknown): boolean {
  return before === now || digest(before) === digest(now);
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

import { AsyncLocalStorage } from "node:async_hooks";
import type { Call, Charged, Passage, PaywallCore, Refusal, RunningCall } from "@licentric/paywall/adapter";
import { digest, endingOf, passageOf, Refused } from "@licentric/paywall/adapter";
import { type RequestContext, readRequestContext, signalIn } from "../context/request-context.ts";
import { outcomeOf, withWarning } from "../protocol/outcome.ts";
import { createInnerKeys, type KeyedCall } from "./inner-keys.ts";
import type { Asked, Ending, RequestScope, ServedGate } from "./request-scope.ts";
import { createRunningCalls } from "./running-calls.ts";
import { toCall } from "./to-call.ts";

/** Lets calls through gates. */
export interface Passages {
  /**
   * Runs a handler if its caller may run it, and bills it.
   *
   * @param context - the handler's last argument
   * @throws what the handler throws, unchanged; the signal's reason where the call was cancelled and not billed
   */
  pass(gate: ServedGate, args: unknown, context: unknown, run: () => unknown): Promise<Passage>;
  /** Runs a request in a scope of its own, which whoever opens it ends before `run` does. */
  within<Value>(context: unknown, scope: RequestScope, run: () => Promise<Value>): Promise<Value>;
  /**
   * Whether a request is in its scope already: something wraps a guarded handler, and is guarded itself. Then it is for
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
interface Passing {
  readonly gate: ServedGate;
  readonly args: unknown;
  readonly request: RequestContext;
  readonly run: () => unknown;
}

/** Makes the passages of one paywall. */
export function createPassages({ charge, underWay, emitter, findToken }: PaywallCore): Passages {
  const innerKeys = createInnerKeys();
  // By request: each has an abort signal of its own, which no client can choose and SDKs keep when they copy.
  const scopes = new WeakMap<AbortSignal, RequestScope>();
  // What wraps a handler may hand it a context with another signal, and runs it in its own time all the same.
  const around = new AsyncLocalStorage<{ readonly scope: RequestScope; readonly requestId: unknown }>();
  const calls = createRunningCalls();

  return {
    async pass(gate, args, context, run) {
      const request = readRequestContext(context);
      const opened = scopeFor(request, gate, args);
      const scope = opened !== undefined && isAskedFor(gate, opened, args) ? opened : undefined;
      const asked = opened?.running?.call;
      if (scope === undefined && asked?.coversCalls)
        return { result: await calls.within({ call: asked, signal: request.signal }, run) };
      const passage = await passIn(scope, { gate, args, request, run }, opened);
      if (scope !== undefined) scope.refusal = "refusal" in passage ? passage.refusal : undefined;
      return passage;
    },
    tokenOf: (context) => findToken(readRequestContext(context)),
    async within(context, scope, run) {
      const { signal, requestId } = readRequestContext(context);
      if (signal !== undefined) scopes.set(signal, scope);
      try {
        return await underWay.run(() => around.run({ scope, requestId }, () => calls.outside(run)));
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

  /** Whether a signal is known to be of another request: one that nobody knows may be made of the first one. */
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
  function scopeFor(request: RequestContext, gate: ServedGate, args: unknown): RequestScope | undefined {
    const { signal } = request;
    const own = signal && scopes.get(signal);
    if (own !== undefined) return own;
    const outer = scopeAround(request);
    // A client may choose the same id for another call: only what was asked for is known to be the same one.
    if (outer === undefined || !isAskedFor(gate, outer, args)) return undefined;
    if (signal !== undefined) scopes.set(signal, outer);
    return outer;
  }

  async function passIn(
    scope: RequestScope | undefined,
    passing: Passing,
    opened: RequestScope | undefined,
  ): Promise<Passage> {
    const { gate, args, request } = passing;
    // Something else has let it in, or it is entered again for what the client was asked.
    if (scope?.running !== undefined) {
      scope.ending = await handle(scope.running.call, passing);
      return passageOfEnding(scope.ending);
    }
    const token = await findToken(request, gate).catch((error: unknown) => refusalOf(error, gate));
    if (typeof token === "object") return { refusal: token };
    const call = toCall(gate, request, token, args, scope === undefined ? args : scope.sentArgs);
    if (scope !== undefined) return passInScope(scope, call, passing);
    const keyed = keyedIn(call, request, opened);
    const passage = await passAlone(keyed.call, passing);
    if ("refusal" in passage) keyed.giveBack();
    return passage;
  }

  /** Charges for a call that is settled by its handler's own result. */
  async function passAlone(call: Call, passing: Passing): Promise<Passage> {
    const charged = await charge(call, passing.gate, async (started) => {
      const ending = await handle(started, passing);
      return { ending, outcome: ofHandler(ending) };
    });
    return passageOf(charged);
  }

  /** Charges for what a request asked for: its handler's result goes out to the SDK first, and settles with the request. */
  async function passInScope(scope: RequestScope, call: Call, passing: Passing): Promise<Passage> {
    let tell: (ending: Ending) => void = () => undefined;
    const handled = new Promise<Ending>((resolve) => {
      tell = resolve;
    });
    const charged = charge(call, passing.gate, async (started) => {
      scope.running = { gate: passing.gate, args: passing.args, call: started };
      const ending = await handle(started, passing);
      scope.ending = ending;
      tell(ending);
      return scope.ran();
    });
    scope.charged = charged;
    // A handler may run on after its request was answered, and then nobody waits for its charge.
    charged.catch((error: unknown) => {
      const { kind, name } = passing.gate;
      const reason = "a call could not be settled after its request had been answered";
      if (scope.isOver) emitter.emit("failed", { reason, error, kind, name });
    });
    const first: Ending | Charged = await Promise.race([handled, charged]);
    return "passage" in first || "settlement" in first ? passageOf(first) : passageOfEnding(first);
  }

  /** Runs a handler so that it can be said who called it. */
  async function handle(started: RunningCall, { gate, request, run }: Passing): Promise<Ending> {
    const ending = await endingOf(() => calls.within({ call: started, signal: request.signal }, run));
    if (ending.status === "threw") return ending;
    return { status: "returned", result: withWarning(ending.result, gate.policy, started.caller.budget) };
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
  function refusalOf(error: unknown, { kind, name }: ServedGate): Refusal {
    if (!(error instanceof Refused)) throw error;
    emitter.emit("denied", { kind, name, refusal: error.refusal, agentId: undefined });
    return error.refusal;
  }
}

/** Whether a gate stands before what a request asked for. */
function isAskedFor(gate: ServedGate, scope: RequestScope, args: unknown): boolean {
  const { kind, name, running, isOver } = scope;
  if (isOver || gate.serves === undefined || gate.kind !== kind || gate.name !== name) return false;
  if (running === undefined) return true;
  if (running.gate.serves !== gate.serves) return false;
  // What costs nothing with its own arguments pays for no others: the handler has called itself.
  return running.call.isBilled || isSameArgs(running.args, args);
}

function isSameArgs(before: unknown, now: unknown): boolean {
  return before === now || digest(before) === digest(now);
}

/** What a handler's ending means where nobody checks it any more. */
function ofHandler(ending: Ending) {
  return ending.status === "threw"
    ? ({ status: "failed" } as const)
    : outcomeOf(ending.result, ending.result);
}

function passageOfEnding(ending: Ending): Passage {
  if (ending.status === "threw") throw ending.error;
  return { result: ending.result };
}

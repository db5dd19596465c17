import { AsyncLocalStorage } from "node:async_hooks";
import type {
  Admission,
  Call,
  Caller,
  Passage,
  PaywallCore,
  Refusal,
  SpanAttributes,
} from "@licentric/paywall/adapter";
import { createRepetitions, digest, isRefusal, Refused } from "@licentric/paywall/adapter";
import { finish, type RequestScope, type Running, type ServedGate } from "./finish.ts";
import { createInnerKeys, type KeyedCall } from "./inner-keys.ts";
import { type RequestContext, readRequestContext, signalIn } from "./request-context.ts";
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
  /** Runs a request in a scope of its own, which whoever opens it settles before `run` ends. */
  within<Value>(context: unknown, scope: RequestScope, run: () => Promise<Value>): Promise<Value>;
  /**
   * Whether a request is in its scope already: something wraps a guarded handler, and is guarded itself. Then it is for
   * the outermost to settle.
   */
  isWithin(context: unknown, request: Pick<RequestScope, "server" | "kind" | "name">): boolean;
  /** The token that a request came with. */
  tokenOf(context: unknown): Promise<string | undefined>;
  /** Who called. */
  callerOf(context: unknown): Caller | undefined;
}

/** What a request has passed. */
interface Passed {
  /** Of whom it was let in last. */
  readonly caller: Caller;
  /** By gate. */
  readonly running: Map<string, Running>;
}

/** Makes the passages of one paywall. */
export function createPassages(core: PaywallCore): Passages {
  const { charge, underWay, replays, emitter, links, trace, findToken } = core;
  const innerKeys = createInnerKeys();
  const repetitions = createRepetitions(charge, replays, emitter, links);
  // By request: each has an abort signal of its own, which no client can choose and SDKs keep when they copy.
  const scopes = new WeakMap<AbortSignal, RequestScope>();
  const passed = new WeakMap<AbortSignal, Passed>();
  // What wraps a handler may hand it a context with another signal, and runs it in its own time all the same.
  const around = new AsyncLocalStorage<{ readonly scope: RequestScope; readonly requestId: unknown }>();
  // Some frameworks give a handler no context that names its request, or none.
  const callers = new AsyncLocalStorage<Caller>();

  return {
    pass: (...passing) => underWay.run(() => pass(...passing)),
    tokenOf: (context) => findToken(readRequestContext(context)),
    async within(context, scope, run) {
      const { signal, requestId } = readRequestContext(context);
      if (signal !== undefined) scopes.set(signal, scope);
      try {
        return await underWay.run(() => around.run({ scope, requestId }, run));
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
    callerOf(context) {
      const signal = signalIn(context);
      return (signal && passed.get(signal)?.caller) ?? callers.getStore();
    },
  };

  async function pass(
    gate: ServedGate,
    args: unknown,
    context: unknown,
    run: () => unknown,
  ): Promise<Passage> {
    const request = readRequestContext(context);
    const opened = scopeFor(request, gate, args);
    const scope = opened !== undefined && isAskedFor(gate, opened, args) ? opened : undefined;
    if (scope === undefined && opened?.running?.admission.coversCalls) return { result: await run() };
    const passage = await passIn(scope, request, gate, args, run, opened);
    if (scope !== undefined) scope.refusal = "refusal" in passage ? passage.refusal : undefined;
    return passage;
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
    request: RequestContext,
    gate: ServedGate,
    args: unknown,
    run: () => unknown,
    opened: RequestScope | undefined,
  ): Promise<Passage> {
    const before = runningBefore(scope, request, gate, args);
    if (before !== undefined) {
      remember(request, gate, before);
      return finish(gate, before, scope, trace, calledBy(before.admission.caller, run));
    }
    const token = await findToken(request, gate).catch((error: unknown) => refusalOf(error, gate));
    if (typeof token === "object") return { refusal: token };
    const made = toCall(gate, request, token, args, scope === undefined ? args : scope.sentArgs);
    const { call, giveBack } = scope === undefined ? keyedIn(made, request, opened) : asItIs(made);
    const passage = await passAs(call, scope, request, run, { gate, args });
    if ("refusal" in passage) giveBack();
    return passage;
  }

  async function passAs(
    call: Call,
    scope: RequestScope | undefined,
    request: RequestContext,
    run: () => unknown,
    { gate, args }: Pick<Running, "gate" | "args">,
  ): Promise<Passage> {
    const admitted = await repetitions.admit(call, gate, () => admit(call, gate));
    if (!("admission" in admitted)) return admitted;
    const now = { gate, args, requestId: request.requestId, ...admitted };
    if (scope !== undefined) scope.running = now;
    remember(request, gate, now);
    return finish(gate, now, scope, trace, calledBy(now.admission.caller, run));
  }

  /** A call that is not what its request asked for, as far as that is known, by a key of its own. */
  function keyedIn(call: Call, request: RequestContext, opened: RequestScope | undefined): KeyedCall {
    const around = opened ?? scopeAround(request);
    const scope = around?.isOver === false ? around : undefined;
    return innerKeys.keyFor(call, scope ?? request.signal, scope !== undefined);
  }

  /** Runs a handler so that it can be said who called it. */
  function calledBy(caller: Caller, run: () => unknown): () => unknown {
    return () => callers.run(caller, run);
  }

  /** The refusal that something left by, told to the listeners. */
  function refusalOf(error: unknown, { kind, name }: ServedGate): Refusal {
    if (!(error instanceof Refused)) throw error;
    emitter.emit("denied", { kind, name, refusal: error.refusal, agentId: undefined });
    return error.refusal;
  }

  /** What lets a gate's call in again: that something else let it in already, or that it was paid for with its rounds. */
  function runningBefore(
    scope: RequestScope | undefined,
    { signal, requestId }: RequestContext,
    gate: ServedGate,
    args: unknown,
  ): Running | undefined {
    if (scope !== undefined) return scope.running;
    // SDK v2 enters a handler again in the same request, for clients that know no `input_required`.
    const before = signal && passed.get(signal)?.running.get(gate.id);
    if (before === undefined || before.gate.policy !== gate.policy || before.requestId !== requestId)
      return undefined;
    return isSameArgs(before.args, args) && before.admission.resume() ? before : undefined;
  }

  function remember({ signal }: RequestContext, gate: ServedGate, running: Running): void {
    if (signal === undefined) return;
    const all = passed.get(signal)?.running ?? new Map<string, Running>();
    passed.set(signal, { caller: running.admission.caller, running: all.set(gate.id, running) });
  }

  function admit(call: Call, gate: ServedGate): Promise<Admission | Refusal> {
    return trace(
      "licentric.admit",
      { "mcp.kind": gate.kind, "mcp.name": gate.name, "licentric.charge": gate.policy.charge },
      () => charge.admit(call, gate.policy),
      describeAdmission,
    );
  }
}

/** Whether a gate stands before what a request asked for. */
function isAskedFor(gate: ServedGate, scope: RequestScope, args: unknown): boolean {
  const { kind, name, running, isOver } = scope;
  if (isOver || gate.serves === undefined || gate.kind !== kind || gate.name !== name) return false;
  if (running === undefined) return true;
  if (running.gate.serves !== gate.serves) return false;
  // What costs nothing with its own arguments pays for no others: the handler has called itself.
  return running.admission.isBilled || isSameArgs(running.args, args);
}

function asItIs(call: Call): KeyedCall {
  return { call, giveBack: () => undefined };
}

function isSameArgs(before: unknown, now: unknown): boolean {
  return before === now || digest(before) === digest(now);
}

function describeAdmission(admission: Admission | Refusal): SpanAttributes {
  if (isRefusal(admission)) return { "licentric.refusal": admission.code };
  const { accountId, agentId } = admission.caller;
  return { "licentric.account_id": accountId, "licentric.agent_id": agentId };
}

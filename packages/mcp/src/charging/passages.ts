import { AsyncLocalStorage } from "node:async_hooks";
import type { Caller } from "../caller.ts";
import type { Emitter } from "../events.ts";
import type { TokenSource } from "../http/token.ts";
import type { Links, Refusal } from "../refusal.ts";
import { type RequestContext, readRequestContext, signalIn } from "../server/request-context.ts";
import type { SpanAttributes, Trace } from "../telemetry.ts";
import { digest } from "../util/digest.ts";
import type { Admission, Outcome, Settlement } from "./admission.ts";
import { type Call, toCall } from "./call.ts";
import { createFindCallToken } from "./call-token.ts";
import { type Charge, isRefusal } from "./charge.ts";
import { type Gate, outcomeOf, type Passage, withWarning } from "./gate.ts";
import { Refused } from "./refused.ts";
import { createRepetitions, endSlot } from "./repetitions.ts";
import type { Ending, Replays, Slot } from "./replays.ts";
import type { UnderWay } from "./under-way.ts";

/**
 * A request whose outcome is known only further out than its handlers: after the SDK has checked the result, and after
 * whatever else wraps it. Handlers that run inside of it are settled by whoever opened it.
 */
export interface RequestScope {
  /** The protected server that is asked. */
  readonly server: object;
  readonly kind: Gate["kind"];
  /**
   * What the client asked for, by the name that it is registered with: the gate of this name is settled with the
   * request, any other one by itself.
   */
  readonly name: string | undefined;
  /** Arguments as the client sent them: a schema's defaults must not make one call look like two. */
  readonly sentArgs: unknown;
  /** What was asked for, once it was let in: whoever else stands before it in this request lets it through. */
  running: Running | undefined;
  /** What was asked for, once it has run. */
  pending: Pending | undefined;
  /** Set where its gate refused. */
  refusal: Refusal | undefined;
  /** The request is answered: nobody settles any more what runs now. */
  isOver: boolean;
}

/** A handler that has run and is not settled yet. */
export interface Pending {
  readonly result: unknown;
  /** Bills what is billed afterwards, and says whether the result may be delivered. */
  settle(outcome: Outcome): Promise<Settlement>;
}

/** A call that was let in. */
export interface Running {
  readonly gate: Gate;
  /** What its gate was passed with. */
  readonly args: unknown;
  readonly requestId: unknown;
  readonly admission: Admission;
  readonly slot: Slot | undefined;
}

/** What passages need. */
export interface PassageDependencies {
  readonly charge: Charge;
  /** Told of everything that may still have to be billed. */
  readonly underWay: UnderWay;
  readonly replays: Replays;
  readonly emitter: Emitter;
  readonly links: Links;
  readonly trace: Trace;
  readonly tokenSource: TokenSource | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Lets calls through gates. */
export interface Passages {
  /**
   * Runs a handler if its caller may run it, and bills it.
   *
   * @param context - the handler's last argument
   * @throws what the handler throws, unchanged; the signal's reason where the call was cancelled and not billed
   */
  pass(gate: Gate, args: unknown, context: unknown, run: () => unknown): Promise<Passage>;
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
export function createPassages(dependencies: PassageDependencies): Passages {
  const { charge, underWay, replays, emitter, links, trace } = dependencies;
  const findToken = createFindCallToken(dependencies);
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

  async function pass(gate: Gate, args: unknown, context: unknown, run: () => unknown): Promise<Passage> {
    const request = readRequestContext(context);
    const opened = scopeFor(request, gate, args);
    const scope = opened !== undefined && isAskedFor(gate, opened, args) ? opened : undefined;
    if (scope === undefined && opened?.running?.admission.coversCalls) return { result: await run() };
    const passage = await passIn(scope, request, gate, args, run);
    if (scope !== undefined) scope.refusal = "refusal" in passage ? passage.refusal : undefined;
    return passage;
  }

  /** The scope of the request in whose time this runs, where it has the same id; what wraps a handler may leave it out. */
  function scopeAround({ requestId }: RequestContext): RequestScope | undefined {
    const outer = around.getStore();
    return requestId === undefined || outer?.requestId === requestId ? outer?.scope : undefined;
  }

  /** The scope that a gate's call runs in. */
  function scopeFor(request: RequestContext, gate: Gate, args: unknown): RequestScope | undefined {
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
    gate: Gate,
    args: unknown,
    run: () => unknown,
  ): Promise<Passage> {
    const before = runningBefore(scope, request, gate, args);
    if (before !== undefined) {
      remember(request, gate, before);
      return finish(gate, before, scope, trace, calledBy(before.admission.caller, run));
    }
    const token = await findToken(request, gate).catch((error: unknown) => refusalOf(error, gate));
    if (typeof token === "object") return { refusal: token };
    const call = toCall(gate, request, token, args, scope === undefined ? args : scope.sentArgs);
    const admitted = await repetitions.admit(call, gate, () => admit(call, gate));
    if (!("admission" in admitted)) return admitted;
    const now = { gate, args, requestId: request.requestId, ...admitted };
    if (scope !== undefined) scope.running = now;
    remember(request, gate, now);
    return finish(gate, now, scope, trace, calledBy(now.admission.caller, run));
  }

  /** Runs a handler so that it can be said who called it. */
  function calledBy(caller: Caller, run: () => unknown): () => unknown {
    return () => callers.run(caller, run);
  }

  /** The refusal that something left by, told to the listeners. */
  function refusalOf(error: unknown, { kind, name }: Gate): Refusal {
    if (!(error instanceof Refused)) throw error;
    emitter.emit("denied", { kind, name, refusal: error.refusal, agentId: undefined });
    return error.refusal;
  }

  /** What lets a gate's call in again: that something else let it in already, or that it was paid for with its rounds. */
  function runningBefore(
    scope: RequestScope | undefined,
    { signal, requestId }: RequestContext,
    gate: Gate,
    args: unknown,
  ): Running | undefined {
    if (scope !== undefined) return scope.running;
    // SDK v2 enters a handler again in the same request, for clients that know no `input_required`.
    const before = signal && passed.get(signal)?.running.get(gate.id);
    if (before === undefined || before.gate.policy !== gate.policy || before.requestId !== requestId)
      return undefined;
    return isSameArgs(before.args, args) && before.admission.resume() ? before : undefined;
  }

  function remember({ signal }: RequestContext, gate: Gate, running: Running): void {
    if (signal === undefined) return;
    const all = passed.get(signal)?.running ?? new Map<string, Running>();
    passed.set(signal, { caller: running.admission.caller, running: all.set(gate.id, running) });
  }

  function admit(call: Call, gate: Gate): Promise<Admission | Refusal> {
    return trace(
      "licentric.admit",
      { "mcp.kind": gate.kind, "mcp.name": gate.name, "licentric.charge": gate.policy.charge },
      () => charge.admit(call, gate.policy),
      describeAdmission,
    );
  }
}

/** Whether a gate stands before what a request asked for. */
function isAskedFor(gate: Gate, scope: RequestScope, args: unknown): boolean {
  const { kind, name, running, isOver } = scope;
  if (isOver || gate.serves === undefined || gate.kind !== kind || gate.name !== name) return false;
  if (running === undefined) return true;
  if (running.gate.serves !== gate.serves) return false;
  // What costs nothing with its own arguments pays for no others: the handler has called itself.
  return running.admission.isBilled || isSameArgs(running.args, args);
}

function isSameArgs(before: unknown, now: unknown): boolean {
  return before === now || digest(before) === digest(now);
}

function describeAdmission(admission: Admission | Refusal): SpanAttributes {
  if (isRefusal(admission)) return { "licentric.refusal": admission.code };
  const { accountId, agentId } = admission.caller;
  return { "licentric.account_id": accountId, "licentric.agent_id": agentId };
}

async function finish(
  gate: Gate,
  { admission, slot }: Running,
  scope: RequestScope | undefined,
  trace: Trace,
  run: () => unknown,
): Promise<Passage> {
  const settle = async (outcome: Outcome, ending: Ending, by?: Call): Promise<Settlement> => {
    const settlement = await trace(
      "licentric.settle",
      { "mcp.kind": gate.kind, "mcp.name": gate.name, "licentric.outcome": outcome.status },
      () => admission.settle(outcome, by),
      (settled): Record<string, string> =>
        settled.status === "refused" ? { "licentric.refusal": settled.refusal.code } : {},
    );
    if (slot !== undefined) endSlot(slot, ending, settlement, (again) => settle(outcome, ending, again));
    return settlement;
  };
  let result: unknown;
  try {
    result = withWarning(await run(), gate.policy, admission.caller.budget);
  } catch (error) {
    const settleFailure = () => settle({ status: "failed" }, { status: "threw", error });
    if (scope === undefined) await settleFailure();
    else scope.pending = { result: undefined, settle: settleFailure };
    throw error;
  }
  const ending: Ending = { status: "returned", result };
  if (scope !== undefined) {
    scope.pending = { result, settle: (outcome) => settle(outcome, ending) };
    return { result };
  }
  const settlement = await settle(outcomeOf(result, result), ending);
  if (settlement.status === "cancelled") throw settlement.reason;
  return settlement.status === "refused" ? { refusal: settlement.refusal } : { result };
}

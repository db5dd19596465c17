import { AsyncLocalStorage } from "node:async_hooks";
import type { Caller } from "../caller.ts";
import type { Emitter } from "../events.ts";
import { findToken, TOKEN_VARIABLE, type TokenSource, TokenSourceError } from "../http/token.ts";
import { type Links, type Refusal, refuse } from "../refusal.ts";
import { type RequestContext, readRequestContext, signalIn } from "../server/request-context.ts";
import type { SpanAttributes, Trace } from "../telemetry.ts";
import { type Call, toCall } from "./call.ts";
import { type Admission, type Charge, isRefusal, type Outcome } from "./charge.ts";
import { type Gate, outcomeOf, type Passage, withWarning } from "./gate.ts";
import type { Policy } from "./policy.ts";
import { Refused } from "./refused.ts";
import type { Ending, Replays, Slot } from "./replays.ts";
import type { UnderWay } from "./under-way.ts";

/**
 * A request whose outcome is known only further out than its handlers: after the SDK has checked the result.
 * Handlers that run inside of it are settled by whoever opened it.
 */
export interface RequestScope {
  /** What the client asked for: the gate of this name is settled with the request, any other one by itself. */
  readonly name: string | undefined;
  /** Arguments as the client sent them: a schema's defaults must not make one call look like two. */
  readonly sentArgs: unknown;
  /** What ran, by gate. */
  readonly pending: Map<string, Pending>;
  /** Set where a gate refused. */
  refusal: Refusal | undefined;
  /** Set where what was asked for is billed: whatever its handler calls is in its price. */
  charged: boolean;
}

/** A handler that has run and is not settled yet. */
export interface Pending {
  readonly result: unknown;
  /** Bills what is billed afterwards. A refusal means: do not deliver the result. */
  settle(outcome: Outcome): Promise<Refusal | undefined>;
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
   * @throws what the handler throws, unchanged; the signal's reason where the call was cancelled before the handler
   */
  pass(gate: Gate, args: unknown, context: unknown, run: () => unknown): Promise<Passage>;
  /** Runs a request in a scope of its own, which whoever opens it settles before `run` ends. */
  within<Value>(context: unknown, scope: RequestScope, run: () => Promise<Value>): Promise<Value>;
  /** The token that a request came with. */
  tokenOf(context: unknown): Promise<string | undefined>;
  /** Who called. */
  callerOf(context: unknown): Caller | undefined;
}

interface Running {
  readonly admission: Admission;
  readonly slot: Slot | undefined;
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
  // By request: each has an abort signal of its own, which no client can choose and SDKs keep when they copy.
  const scopes = new WeakMap<AbortSignal, RequestScope>();
  const passed = new WeakMap<AbortSignal, Passed>();
  /** Who called the handler that is running: some frameworks give it no context that names the request, or none. */
  let hasWarned = false;
  const callers = new AsyncLocalStorage<Caller>();

  async function findTokenOf(request: RequestContext, gate?: Gate): Promise<string | undefined> {
    try {
      const token = await findToken(request, dependencies.tokenSource, dependencies.environment);
      if (token === undefined && dependencies.environment[TOKEN_VARIABLE]) warnOfVariable();
      return token;
    } catch (error) {
      if (!(error instanceof TokenSourceError)) throw error;
      const { kind, name } = gate ?? {};
      emitter.emit("failed", {
        reason: error.message,
        error: error.cause ?? error,
        ...(kind !== undefined && { kind }),
        ...(name !== undefined && { name }),
      });
      throw new Refused(refuse("misconfigured", links));
    }
  }

  return {
    pass: (...passing) => underWay.run(() => pass(...passing)),
    tokenOf: (context) => findTokenOf(readRequestContext(context)),
    within(context, scope, run) {
      const { signal } = readRequestContext(context);
      if (signal !== undefined) scopes.set(signal, scope);
      return underWay.run(run);
    },
    callerOf(context) {
      const signal = signalIn(context);
      return (signal && passed.get(signal)?.caller) ?? callers.getStore();
    },
  };

  async function pass(gate: Gate, args: unknown, context: unknown, run: () => unknown): Promise<Passage> {
    const request = readRequestContext(context);
    const opened = request.signal === undefined ? undefined : scopes.get(request.signal);
    const scope = opened?.name === gate.name ? opened : undefined;
    if (scope === undefined && opened?.charged) return { result: await run() };
    const passage = await passIn(scope, request, gate, args, run);
    if (scope !== undefined && "refusal" in passage) scope.refusal = passage.refusal;
    return passage;
  }

  async function passIn(
    scope: RequestScope | undefined,
    request: RequestContext,
    gate: Gate,
    args: unknown,
    run: () => unknown,
  ): Promise<Passage> {
    const { signal } = request;
    // SDK v2 enters a handler again in the same request, for clients that know no `input_required`.
    const before = signal && passed.get(signal)?.running.get(gate.id);
    if (before !== undefined && (scope !== undefined || before.admission.resume())) {
      return finish(gate, request, before, scope, trace, calledBy(before.admission.caller, run));
    }
    const token = await findTokenOf(request, gate).catch((error: unknown) => refusalOf(error, gate));
    if (typeof token === "object") return { refusal: token };
    const call = toCall(gate, request, token, args, scope === undefined ? args : scope.sentArgs);
    const slot = typeof call.agentKey === "string" ? replays.enter(call, call.agentKey) : undefined;
    if (slot === "conflict") {
      const refusal = refuse("idempotency_conflict", links);
      emitter.emit("denied", { kind: gate.kind, name: gate.name, refusal, agentId: undefined });
      return { refusal };
    }
    if (slot instanceof Promise) {
      // A result is for whoever may have it now: the credential may have been revoked since it was paid for.
      const verified = await charge(call, { ...VERIFY_ONLY, scopes: gate.policy.scopes });
      return isRefusal(verified) ? { refusal: verified } : repeat(await slot);
    }
    const admission = await admit(call, gate, slot);
    if (isRefusal(admission)) return { refusal: admission };
    if (scope !== undefined && gate.policy.meterName !== undefined) scope.charged = true;
    const now = { admission, slot };
    if (signal !== undefined) {
      const running = passed.get(signal)?.running ?? new Map<string, Running>();
      passed.set(signal, { caller: admission.caller, running: running.set(gate.id, now) });
    }
    return finish(gate, request, now, scope, trace, calledBy(admission.caller, run));
  }

  /** Says once that the environment's token was not used, and what to do. */
  function warnOfVariable(): void {
    if (hasWarned) return;
    hasWarned = true;
    process.emitWarning(VARIABLE_UNUSED, "LicentricWarning");
    emitter.emit("failed", { reason: VARIABLE_UNUSED, error: undefined });
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

  async function admit(call: Call, gate: Gate, slot: Slot | undefined): Promise<Admission | Refusal> {
    try {
      const admission = await trace(
        "licentric.admit",
        { "mcp.kind": gate.kind, "mcp.name": gate.name, "licentric.charge": gate.policy.charge },
        () => charge(call, gate.policy),
        describeAdmission,
      );
      if (isRefusal(admission)) slot?.end({ status: "refused", refusal: admission }, false);
      return admission;
    } catch (error) {
      slot?.end({ status: "threw", error }, false);
      throw error;
    }
  }
}

const VARIABLE_UNUSED = `${TOKEN_VARIABLE} is set and was not used for a call without a token: nothing shows that the call came from the agent that started this process. If nobody else can call this server (stdio through a framework, or tools that are wrapped one by one and called in memory), say so: createPaywall({ token: () => process.env["${TOKEN_VARIABLE}"] }). If it serves HTTP, each agent has to send its own token: unset the variable`;

/** Says who calls, and bills nothing. */
const VERIFY_ONLY: Policy = { charge: "call", scopes: [], enforceBudget: false, warnAgent: false };

function describeAdmission(admission: Admission | Refusal): SpanAttributes {
  if (isRefusal(admission)) return { "licentric.refusal": admission.code };
  const { accountId, agentId } = admission.caller;
  return { "licentric.account_id": accountId, "licentric.agent_id": agentId };
}

function repeat(ending: Ending): Passage {
  if (ending.status === "threw") throw ending.error;
  return ending.status === "returned" ? { result: ending.result } : { refusal: ending.refusal };
}

async function finish(
  gate: Gate,
  request: RequestContext,
  { admission, slot }: Running,
  scope: RequestScope | undefined,
  trace: Trace,
  run: () => unknown,
): Promise<Passage> {
  const settle = async (outcome: Outcome, ending: Ending) => {
    const cancelled = gate.policy.charge === "reserve" && request.signal?.aborted === true;
    const refusal = await trace(
      "licentric.settle",
      { "mcp.kind": gate.kind, "mcp.name": gate.name, "licentric.outcome": outcome.status },
      () => admission.settle(cancelled ? { status: "failed" } : outcome),
      (refused): Record<string, string> =>
        refused === undefined ? {} : { "licentric.refusal": refused.code },
    );
    if (refusal !== undefined) slot?.end({ status: "refused", refusal }, false);
    else slot?.end(ending, gate.policy.charge === "call" || outcome.status === "done");
    return refusal;
  };
  let result: unknown;
  try {
    result = withWarning(await run(), gate.policy, admission.caller.budget);
  } catch (error) {
    const settleFailure = () => settle({ status: "failed" }, { status: "threw", error });
    if (scope === undefined) await settleFailure();
    else scope.pending.set(gate.id, { result: undefined, settle: settleFailure });
    throw error;
  }
  const ending: Ending = { status: "returned", result };
  if (scope !== undefined) {
    scope.pending.set(gate.id, { result, settle: (outcome) => settle(outcome, ending) });
    return { result };
  }
  const refusal = await settle(outcomeOf(result, result), ending);
  return refusal === undefined ? { result } : { refusal };
}

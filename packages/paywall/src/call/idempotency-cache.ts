import type { Call } from "../credential/call.ts";
import { agentNameOf, type Caller } from "../credential/caller.ts";
import type { KeptOutcome } from "../modes/outcome.ts";
import { digest } from "../util/digest.ts";
import { withResolvers } from "../util/with-resolvers.ts";
import {
  type AgentCalls,
  addCall,
  createKeptCalls,
  forgetExpired,
  type KeptCall,
  type KeptCalls,
  keepOutcome,
  removeCall,
} from "./kept-calls.ts";

/** The entry of a call in the cache. */
export interface IdempotencyEntry {
  /**
   * Tells those who wait. May be called again where the outcome has changed since.
   *
   * @param keep - whether later repetitions are given the outcome, too: it is billed, or is so before it is given
   */
  end(outcome: KeptOutcome, keep: boolean): void;
}

/** Gives repetitions of a call under one agent's key the first call's outcome. */
export interface IdempotencyCache {
  /**
   * Enters a call. Returns its entry, where it is the agent's first with its key; the outcome to come, where it is a
   * repetition; "conflict", where the key names another call; "unknown", where it names one whose handler or arguments
   * cannot be told to be the same; "full", where as many of the agent's calls are kept as can be, and none of them can be
   * forgotten.
   */
  enter(
    call: Call,
    caller: Caller,
  ): IdempotencyEntry | Promise<KeptOutcome> | "conflict" | "unknown" | "full";
  /** Returns the outcome of the same call of the agent's, where there is one. */
  find(call: Call, caller: Caller): Promise<KeptOutcome> | undefined;
}

/**
 * Makes a cache of keyed calls, each for ten minutes after its end. Each agent has its own room, and where the room for
 * all is used up, the agent that keeps most makes way: no agent's calls push another one's out.
 */
export function createIdempotencyCache(now: () => number): IdempotencyCache {
  const kept = createKeptCalls(now);
  return {
    find(call, caller) {
      forgetExpired(kept);
      const agent = kept.agents.get(agentNameOf(caller));
      const known = agent?.calls.get(nameOf(call, agent));
      return known !== undefined && compare(known, call) === "same" ? known.outcome : undefined;
    },
    enter(call, caller) {
      forgetExpired(kept);
      const agentName = agentNameOf(caller);
      const agent = kept.agents.get(agentName) ?? { name: agentName, calls: new Map(), size: 0 };
      const name = nameOf(call, agent);
      const known = agent.calls.get(name);
      if (known === undefined) return addEntry(kept, agent, name, call) ?? "full";
      const compared = compare(known, call);
      return compared === "same" ? known.outcome : compared;
    },
  };
}

/** Returns the name of a call by its key alone, unless another call has that as well. */
function nameOf(call: Call, agent: AgentCalls | undefined): string {
  const name = digest(call.agentKey, call.round());
  if (call.sharesKey?.() !== true || agent?.calls.get(name)?.binding === call.binding()) return name;
  return digest(call.agentKey, call.round(), call.binding());
}

function compare({ binding, madeOf, opaque }: KeptCall, call: Call): "same" | "conflict" | "unknown" {
  if (binding !== call.binding()) return "conflict";
  return madeOf === call.madeOf && opaque === call.opaque() ? "same" : "unknown";
}

/** Adds a call that runs; undefined where there is no room for it. */
function addEntry(
  kept: KeptCalls,
  agent: AgentCalls,
  name: string,
  call: Call,
): IdempotencyEntry | undefined {
  const { promise: outcome, resolve } = withResolvers<KeptOutcome>();
  const entry: KeptCall = {
    name,
    agent,
    binding: call.binding(),
    madeOf: call.madeOf,
    opaque: call.opaque(),
    outcome,
    isSettled: false,
    size: 0,
    expiresAt: Number.POSITIVE_INFINITY,
  };
  if (!addCall(kept, entry)) return undefined;
  return {
    end(ended, isKept) {
      resolve(ended);
      entry.outcome = Promise.resolve(ended);
      if (agent.calls.get(name) !== entry) return;
      if (isKept) keepOutcome(kept, entry, ended);
      else removeCall(kept, entry);
    },
  };
}

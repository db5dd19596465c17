import { agentNameOf, type Caller } from "../billing/caller.ts";
import type { Refusal } from "../refusal/refusal.ts";
import { digest } from "../util/digest.ts";
import { isRecord } from "../util/record.ts";
import type { Settlement } from "./authorized-call.ts";
import type { Call } from "./call.ts";

/** How a call that was run under an agent's key ended. */
export type KeptOutcome =
  | { readonly status: "returned"; readonly result: unknown }
  | { readonly status: "threw"; readonly error: unknown }
  | { readonly status: "refused"; readonly refusal: Refusal }
  /** It has a result that could not be billed yet: who wants it has it billed first. */
  | { readonly status: "unsettled"; readonly result: unknown; readonly settle: SettleBy }
  /** It came to nothing that concerns another call: as if it had never been. */
  | { readonly status: "void" };

/** Bills what was not billed yet, by the token of the repetition that has it billed. */
export type SettleBy = (by: Call) => Promise<Settlement>;

/** A place for a call's ending. */
export interface IdempotencyEntry {
  /**
   * Tells those who wait. May be called again where the ending has changed since.
   *
   * @param keep - whether later repetitions are given the ending, too: what is kept is billed, or is so before it is given
   */
  end(outcome: KeptOutcome, keep: boolean): void;
}

/** Gives repetitions of a call under one agent's key the first call's ending. */
export interface IdempotencyCache {
  /**
   * A slot to fill, where the call is the agent's first with its key; the ending to come, where it is a repetition;
   * "conflict", where the key names another call; "unknown", where it names one whose handler or arguments cannot be told
   * to be the same; "full", where as many of the agent's calls are kept as can be, and
   * none of them can be forgotten.
   */
  enter(
    call: Call,
    caller: Caller,
  ): IdempotencyEntry | Promise<KeptOutcome> | "conflict" | "unknown" | "full";
  /** The ending of the same call of the agent's, where there is one. */
  find(call: Call, caller: Caller): Promise<KeptOutcome> | undefined;
}

interface KeptCall {
  readonly name: string;
  readonly agent: Agent;
  readonly binding: string;
  readonly madeOf: string | undefined;
  readonly opaque: string | undefined;
  outcome: Promise<KeptOutcome>;
  /** Only what is settled may be forgotten before its time: a repetition of anything else would run, or be billed, again. */
  isSettled: boolean;
  size: number;
  expiresAt: number;
}

/** The calls of one agent, those that ended first before the others. */
interface Agent {
  readonly name: string;
  readonly entries: Map<string, KeptCall>;
  size: number;
}

/** Milliseconds for which an ending is kept. */
const TTL = 600_000;

/** Calls of one agent that are kept at most, those that have not ended among them. */
export const AGENT_CALLS = 1_000;

/** Most characters that kept results may have: one alone, those of an agent, and all together. */
const RESULT_SIZE = 1_000_000;
const AGENT_SIZE = 8_000_000;
const TOTAL_SIZE = 32_000_000;

/** What an entry counts for besides its result: no more than 10,000 are kept, however small they are. */
const ENTRY_SIZE = TOTAL_SIZE / 10_000;

/** Agents of like size that are compared, where one has to make way. */
const COMPARED = 32;

const magnitudeOf = (size: number) => Math.ceil(Math.log2(size + 1));

/**
 * Makes a memory of keyed calls, each for ten minutes after its end. Each agent has its own room, and where the room for
 * all is used up, the agent that holds most makes way: no agent's calls push another one's out.
 */
export function createIdempotencyCache(now: () => number): IdempotencyCache {
  const agents = new Map<string, Agent>();
  /** What has ended, in that order: all of it is kept equally long. */
  const endedCalls = new Set<KeptCall>();
  let total = 0;

  /** Agents by the power of two that their size lies under, so that those that hold most are found at once. */
  const bySize = Array.from({ length: 1 + magnitudeOf(TOTAL_SIZE) }, () => new Set<Agent>());

  function resize(kept: KeptCall, size: number): void {
    const { agent } = kept;
    const before = magnitudeOf(agent.size);
    agent.size += size - kept.size;
    total += size - kept.size;
    kept.size = size;
    const after = magnitudeOf(agent.size);
    if (before === after) return;
    bySize[before]?.delete(agent);
    if (agent.size > 0) bySize[after]?.add(agent);
  }

  function remove(kept: KeptCall): void {
    const { agent, name } = kept;
    resize(kept, 0);
    endedCalls.delete(kept);
    agent.entries.delete(name);
    if (agent.entries.size === 0) agents.delete(agent.name);
  }

  function forgetExpired(): void {
    for (const kept of endedCalls) {
      if (kept.expiresAt > now()) return;
      remove(kept);
    }
  }

  function oldestSettled({ entries }: Agent): KeptCall | undefined {
    for (const kept of entries.values()) if (kept.isSettled) return kept;
    return undefined;
  }

  /** The entry to forget for another one: of the agent that holds most, where it has one. */
  function nextToGo(): KeptCall | undefined {
    for (const like of [...bySize].reverse()) {
      let found: KeptCall | undefined;
      let seen = 0;
      for (const agent of like) {
        if (found === undefined || agent.size > found.agent.size) found = oldestSettled(agent) ?? found;
        // Where there are more of that size, none of them holds much.
        if (++seen >= COMPARED && found !== undefined) break;
      }
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Makes room for an ending; false where there is none to be had. */
  function fits({ agent }: KeptCall, size: number): boolean {
    while (agent.size + size > AGENT_SIZE) {
      const oldest = oldestSettled(agent);
      if (oldest === undefined) return false;
      remove(oldest);
    }
    while (total + size > TOTAL_SIZE) {
      const next = nextToGo();
      if (next === undefined) return false;
      remove(next);
    }
    return true;
  }

  function keep(kept: KeptCall, outcome: KeptOutcome): void {
    kept.isSettled = false;
    resize(kept, 0);
    const size = "result" in outcome ? approximateSize(outcome.result, RESULT_SIZE) : 0;
    if (size >= RESULT_SIZE || !fits(kept, size + ENTRY_SIZE)) {
      remove(kept);
      return;
    }
    resize(kept, size + ENTRY_SIZE);
    kept.isSettled = outcome.status !== "unsettled";
    kept.expiresAt = now() + TTL;
    endedCalls.delete(kept);
    endedCalls.add(kept);
    kept.agent.entries.delete(kept.name);
    kept.agent.entries.set(kept.name, kept);
  }

  function entryOf(kept: KeptCall, resolve: (outcome: KeptOutcome) => void): IdempotencyEntry {
    return {
      end(outcome, isKept) {
        resolve(outcome);
        kept.outcome = Promise.resolve(outcome);
        if (kept.agent.entries.get(kept.name) !== kept) return;
        if (isKept) keep(kept, outcome);
        else remove(kept);
      },
    };
  }

  /** The name of a call by its key alone, unless another call has that, too. */
  const nameOf = (call: Call, agent: Agent | undefined) => {
    const name = digest(call.agentKey, call.round());
    if (call.sharesKey?.() !== true || agent?.entries.get(name)?.binding === call.binding()) return name;
    return digest(call.agentKey, call.round(), call.binding());
  };
  return {
    find(call, caller) {
      forgetExpired();
      const agent = agents.get(agentNameOf(caller));
      const known = agent?.entries.get(nameOf(call, agent));
      return known !== undefined && compare(known, call) === "same" ? known.outcome : undefined;
    },
    enter(call, caller) {
      forgetExpired();
      const agentName = agentNameOf(caller);
      const agent = agents.get(agentName) ?? { name: agentName, entries: new Map(), size: 0 };
      const name = nameOf(call, agent);
      const known = agent.entries.get(name);
      if (known !== undefined) {
        const compared = compare(known, call);
        return compared === "same" ? known.outcome : compared;
      }
      if (agent.entries.size >= AGENT_CALLS) {
        const oldest = oldestSettled(agent);
        if (oldest === undefined) return "full";
        remove(oldest);
      }
      let resolve: (outcome: KeptOutcome) => void = () => undefined;
      const kept: KeptCall = {
        name,
        agent,
        binding: call.binding(),
        madeOf: call.madeOf,
        opaque: call.opaque(),
        outcome: new Promise((settle) => {
          resolve = settle;
        }),
        isSettled: false,
        size: 0,
        expiresAt: Number.POSITIVE_INFINITY,
      };
      agent.entries.set(name, kept);
      agents.set(agentName, agent);
      return entryOf(kept, resolve);
    },
  };
}

function compare({ binding, madeOf, opaque }: KeptCall, call: Call): "same" | "conflict" | "unknown" {
  if (binding !== call.binding()) return "conflict";
  return madeOf === call.madeOf && opaque === call.opaque() ? "same" : "unknown";
}

/** About how many characters a value has as JSON, and bytes where it has them; stops counting at `limit`. */
function approximateSize(value: unknown, limit: number): number {
  let size = 0;
  const open: unknown[] = [value];
  while (open.length > 0 && size < limit) {
    const next = open.pop();
    if (typeof next === "string") size += next.length;
    else if (ArrayBuffer.isView(next)) size += next.byteLength;
    else if (isRecord(next)) {
      for (const [key, inner] of Object.entries(next)) {
        size += key.length + 8;
        open.push(inner);
      }
    } else size += 8;
  }
  return Math.min(size, limit);
}

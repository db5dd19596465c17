import type { KeptOutcome } from "../modes/outcome.ts";
import { isRecord } from "../util/record.ts";

/** A call under an agent's key: it runs, or its outcome is kept. */
export interface KeptCall {
  readonly name: string;
  readonly agent: AgentCalls;
  readonly binding: string;
  readonly madeOf: string | undefined;
  readonly opaque: string | undefined;
  outcome: Promise<KeptOutcome>;
  /** Only a settled call may be forgotten before its time: a repetition of any other would run, or be billed, again. */
  isSettled: boolean;
  size: number;
  expiresAt: number;
}

/** The calls of one agent, those that ended first before the others. */
export interface AgentCalls {
  readonly name: string;
  readonly calls: Map<string, KeptCall>;
  size: number;
}

/** Calls that are kept, each for ten minutes after its end and within a bounded size. */
export interface KeptCalls {
  readonly agents: Map<string, AgentCalls>;
  /** Calls that have ended, in that order: all are kept equally long. */
  readonly ended: Set<KeptCall>;
  /** Agents by the power of two that their size lies under, so that those that keep most are found at once. */
  readonly bySize: readonly Set<AgentCalls>[];
  size: number;
  readonly now: () => number;
}

/** Milliseconds for which an outcome is kept. */
const TTL = 600_000;

/** Calls of one agent that are kept at most, those that have not ended among them. */
export const AGENT_CALLS = 1_000;

/** Most characters that kept results may have: one alone, those of an agent, and all together. */
const RESULT_SIZE = 1_000_000;
const AGENT_SIZE = 8_000_000;
const TOTAL_SIZE = 32_000_000;

/** Size of a call besides its result: no more than 10,000 are kept, however small they are. */
const CALL_SIZE = TOTAL_SIZE / 10_000;

/** Agents of like size that are compared, where one has to make way. */
const COMPARED = 32;

const magnitudeOf = (size: number) => Math.ceil(Math.log2(size + 1));

/** Makes an empty memory. */
export function createKeptCalls(now: () => number): KeptCalls {
  const bySize = Array.from({ length: 1 + magnitudeOf(TOTAL_SIZE) }, () => new Set<AgentCalls>());
  return { agents: new Map(), ended: new Set(), bySize, size: 0, now };
}

/** Adds a call that runs; false where as many of the agent's calls are kept as can be, and none of them can be forgotten. */
export function addCall(kept: KeptCalls, call: KeptCall): boolean {
  const { agent } = call;
  if (agent.calls.size >= AGENT_CALLS) {
    const oldest = oldestSettled(agent);
    if (oldest === undefined) return false;
    removeCall(kept, oldest);
  }
  agent.calls.set(call.name, call);
  kept.agents.set(agent.name, agent);
  return true;
}

/** Forgets a call. */
export function removeCall(kept: KeptCalls, call: KeptCall): void {
  const { agent, name } = call;
  resize(kept, call, 0);
  kept.ended.delete(call);
  agent.calls.delete(name);
  if (agent.calls.size === 0) kept.agents.delete(agent.name);
}

/** Forgets the calls whose time is over. */
export function forgetExpired(kept: KeptCalls): void {
  for (const call of kept.ended) {
    if (call.expiresAt > kept.now()) return;
    removeCall(kept, call);
  }
}

/** Keeps the outcome of a call that has ended, where there is room for it; else forgets the call. */
export function keepOutcome(kept: KeptCalls, call: KeptCall, outcome: KeptOutcome): void {
  call.isSettled = false;
  resize(kept, call, 0);
  const size = "result" in outcome ? approximateSize(outcome.result, RESULT_SIZE) : 0;
  if (size >= RESULT_SIZE || !makeRoom(kept, call, size + CALL_SIZE)) {
    removeCall(kept, call);
    return;
  }
  resize(kept, call, size + CALL_SIZE);
  call.isSettled = outcome.status !== "unsettled";
  call.expiresAt = kept.now() + TTL;
  kept.ended.delete(call);
  kept.ended.add(call);
  call.agent.calls.delete(call.name);
  call.agent.calls.set(call.name, call);
}

function resize(kept: KeptCalls, call: KeptCall, size: number): void {
  const { agent } = call;
  const before = magnitudeOf(agent.size);
  agent.size += size - call.size;
  kept.size += size - call.size;
  call.size = size;
  const after = magnitudeOf(agent.size);
  if (before === after) return;
  kept.bySize[before]?.delete(agent);
  if (agent.size > 0) kept.bySize[after]?.add(agent);
}

/** Makes room for an outcome; false where there is none to be had. */
function makeRoom(kept: KeptCalls, { agent }: KeptCall, size: number): boolean {
  while (agent.size + size > AGENT_SIZE) {
    const oldest = oldestSettled(agent);
    if (oldest === undefined) return false;
    removeCall(kept, oldest);
  }
  while (kept.size + size > TOTAL_SIZE) {
    const next = nextToForget(kept);
    if (next === undefined) return false;
    removeCall(kept, next);
  }
  return true;
}

function oldestSettled({ calls }: AgentCalls): KeptCall | undefined {
  for (const call of calls.values()) if (call.isSettled) return call;
  return undefined;
}

/** The call to forget for another one: of the agent that keeps most, where it has a settled one. */
function nextToForget({ bySize }: KeptCalls): KeptCall | undefined {
  for (const like of [...bySize].reverse()) {
    let found: KeptCall | undefined;
    let seen = 0;
    for (const agent of like) {
      if (found === undefined || agent.size > found.agent.size) found = oldestSettled(agent) ?? found;
      // Where there are more of that size, none of them keeps much.
      if (++seen >= COMPARED && found !== undefined) break;
    }
    if (found !== undefined) return found;
  }
  return undefined;
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

import type { TokenHash } from "../credential/find-credential.ts";
import { createExpiringMap } from "../util/expiring-map.ts";

/** A key under which usage was sent to be recorded. */
export interface Sent {
  readonly key: string;
  /** Quantities that it was sent with: one of these is recorded at most. */
  readonly quantities: readonly number[];
  /**
   * "committing": it is a reservation's id, and was sent as its commit, which a release rules out. "recording": it was
   * sent as an event's. "recorded": it is known to be billed, and its quantity is what is left of that.
   */
  readonly state: "committing" | "recording" | "recorded";
  /** The time at which it was sent first. */
  readonly at: number;
  /** The time at which the last try was given up. */
  readonly until: number;
}

/** A key that was taken, to be sent once more. */
export interface Taken {
  readonly sent: Sent;
  /** The API says that the key was recorded for this agent before: no other can have sent it. */
  confirm(): void;
}

/** The agent that usage was sent for, by its token. The agent is known only where the API has said who the token belongs to. */
export interface Sender {
  readonly tokenHash: TokenHash;
  readonly agent: string | undefined;
}

/** Keys whose usage the API may have recorded although nothing was served: the next such call uses them up. */
export interface Unserved {
  put(name: string, sent: Sent, sender: Sender): void;
  /** Returns whether the sender's agent has to be known to say which of these keys is its own. */
  needsAgent(name: string, tokenHash: TokenHash): boolean;
  /**
   * Takes a key of the same agent. Where the agent of a key was never known, any agent may try it, once: the API
   * keeps each agent's keys apart, so the key records a new event for whoever it does not belong to.
   *
   * @param fits - which keys may be taken; any by default
   */
  take(name: string, sender: Sender, fits?: (sent: Sent) => boolean): Taken | undefined;
}

interface Entry extends Sender {
  readonly id: string;
  readonly name: string;
  readonly sent: Sent;
  /** Agents that have tried the key while it was not known to be theirs. */
  readonly tried: Set<string>;
}

const HOUR = 3_600_000;

/**
 * Makes a memory of up to 10,000 such keys, each for an hour.
 *
 * @param agentOf - the agent of a token, where it has become known by now
 */
export function createUnserved(
  agentOf: (tokenHash: TokenHash) => string | undefined,
  now: () => number,
): Unserved {
  const byName = new Map<string, Set<Entry>>();
  const entries = createExpiringMap<Entry>({
    limit: 10_000,
    ttl: HOUR,
    now,
    onEvict(entry) {
      const named = byName.get(entry.name);
      named?.delete(entry);
      if (named?.size === 0) byName.delete(entry.name);
    },
  });
  let count = 0;
  const named = (name: string) => [...(byName.get(name) ?? [])].filter(({ id }) => entries.get(id));
  const agentIn = ({ agent, tokenHash }: Entry) => agent ?? agentOf(tokenHash);
  /** Forgets a key that its own agent has used up since, under a token that was not known to be the same agent's. */
  function isSpent(entry: Entry, agent: string | undefined): boolean {
    if (agent === undefined || agentIn(entry) !== agent || !entry.tried.has(agent)) return false;
    entries.delete(entry.id);
    return true;
  }

  return {
    put(name, sent, { tokenHash, agent }) {
      count += 1;
      const tried = new Set<string>();
      const entry = { id: String(count), name, sent, tokenHash, agent, tried };
      byName.set(name, (byName.get(name) ?? new Set()).add(entry));
      entries.set(entry.id, entry);
    },
    needsAgent(name, tokenHash) {
      const found = named(name);
      return (
        found.length > 0 && !found.some((entry) => entry.tokenHash === tokenHash && entry.tried.size === 0)
      );
    },
    take(name, { tokenHash, agent }, fits = () => true) {
      const found = named(name).filter((entry) => fits(entry.sent) && !isSpent(entry, agent));
      const own = found.find(
        (entry) => entry.tokenHash === tokenHash || (agent !== undefined && agentIn(entry) === agent),
      );
      if (own !== undefined) {
        entries.delete(own.id);
        return { sent: own.sent, confirm: () => undefined };
      }
      if (agent === undefined) return undefined;
      const orphan = found.find((entry) => agentIn(entry) === undefined && !entry.tried.has(agent));
      if (orphan === undefined) return undefined;
      orphan.tried.add(agent);
      return { sent: orphan.sent, confirm: () => entries.delete(orphan.id) };
    },
  };
}

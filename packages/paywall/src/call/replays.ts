import { agentNameOf, type Caller } from "../billing/caller.ts";
import type { Call } from "../call.ts";
import type { Refusal } from "../refusal.ts";
import { digest } from "../util/digest.ts";
import { createExpiringMap } from "../util/expiring-map.ts";
import { isRecord } from "../util/record.ts";
import type { Settlement } from "./admission.ts";

/** How a call that was run under an agent's key ended. */
export type Ending =
  | { readonly status: "returned"; readonly result: unknown }
  | { readonly status: "threw"; readonly error: unknown }
  | { readonly status: "refused"; readonly refusal: Refusal }
  /** It has a result that could not be billed yet: who wants it has it billed first. */
  | { readonly status: "unsettled"; readonly result: unknown; settle(): Promise<Settlement> }
  /** It came to nothing that concerns another call: as if it had never been. */
  | { readonly status: "void" };

/** A place for a call's ending. */
export interface Slot {
  /**
   * Tells those who wait. May be called again where the ending has changed since.
   *
   * @param keep - whether later repetitions are given the ending, too: what is kept is billed, or is so before it is given
   */
  end(ending: Ending, keep: boolean): void;
}

/** Gives repetitions of a call under one agent's key the first call's ending. */
export interface Replays {
  /**
   * A slot to fill, where the call is the agent's first with its key; the ending to come, where it is a repetition;
   * "conflict", where the key names another call.
   */
  enter(call: Call, caller: Caller): Slot | Promise<Ending> | "conflict";
  /** The ending of the same call of the agent's, where there is one. */
  find(call: Call, caller: Caller): Promise<Ending> | undefined;
}

interface Entry {
  readonly binding: string;
  ending: Promise<Ending>;
  size: number;
}

/** Most characters that kept results may have together, and one alone. */
const TOTAL_SIZE = 16_000_000;
const ENTRY_SIZE = 1_000_000;

/** Makes a memory of up to 1,000 keyed calls, each for ten minutes. */
export function createReplays(now: () => number): Replays {
  let total = 0;
  const entries = createExpiringMap<Entry>({
    limit: 1_000,
    ttl: 600_000,
    now,
    onEvict: (entry) => {
      total -= entry.size;
    },
  });
  const nameOf = (call: Call, caller: Caller) => digest(agentNameOf(caller), call.agentKey, call.round());
  return {
    find(call, caller) {
      const known = entries.get(nameOf(call, caller));
      return known?.binding === call.binding() ? known.ending : undefined;
    },
    enter(call, caller) {
      const name = nameOf(call, caller);
      const known = entries.get(name);
      if (known !== undefined) return known.binding === call.binding() ? known.ending : "conflict";
      let resolve: (ending: Ending) => void = () => undefined;
      const entry: Entry = {
        binding: call.binding(),
        ending: new Promise((settle) => {
          resolve = settle;
        }),
        size: 0,
      };
      entries.set(name, entry);
      return {
        end(ending, keep) {
          resolve(ending);
          entry.ending = Promise.resolve(ending);
          if (entries.get(name) !== entry) return;
          const size = "result" in ending ? approximateSize(ending.result, ENTRY_SIZE) : 0;
          total -= entry.size;
          entry.size = 0;
          if (!keep || size >= ENTRY_SIZE || total + size > TOTAL_SIZE) {
            entries.delete(name);
            return;
          }
          entry.size = size;
          total += size;
        },
      };
    },
  };
}

/** About how many characters a value has as JSON; stops counting at `limit`. */
function approximateSize(value: unknown, limit: number): number {
  let size = 0;
  const open: unknown[] = [value];
  while (open.length > 0 && size < limit) {
    const next = open.pop();
    if (typeof next === "string") size += next.length;
    else if (isRecord(next)) {
      for (const [key, inner] of Object.entries(next)) {
        size += key.length + 8;
        open.push(inner);
      }
    } else size += 8;
  }
  return Math.min(size, limit);
}

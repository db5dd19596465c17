import type { JournalFailure } from "./delivery.ts";
import {
  adoptSubJournal,
  listSubJournals,
  misplaced,
  pendingBytes,
  releaseSubJournal,
  type SubJournal,
} from "./sub-journal.ts";

/** The parts of an adoption that come from outside. */
export interface AdoptionOptions {
  /** The journal's directory. */
  readonly directory: string;
  /** Adopted ones first, our own last: what is found is put before it. */
  readonly subJournals: SubJournal[];
  /** Milliseconds between looks. */
  readonly interval: number;
  readonly onFailed: (failure: JournalFailure) => void;
  /** Called after a look where something is there to deliver for others. */
  readonly onAdopted: () => void;
}

/** The look for what dead processes left in a journal's directory, now and again. */
export interface Adoption {
  /** Looks now, or waits for the look that is in progress. */
  look(): Promise<void>;
  /** Resolves when no look is in progress, and none comes. */
  stop(): Promise<void>;
}

/** Makes the adoption of a journal. Its timer keeps no process alive. */
export function createAdoption(options: AdoptionOptions): Adoption {
  const { directory, subJournals, onFailed } = options;
  const unreadable = new Set<string>();
  let looking: Promise<void> | undefined;
  let isStopped = false;
  const timer = setInterval(look, options.interval).unref();

  function look(): Promise<void> {
    looking ??= adoptOrphans().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  async function adoptOrphans(): Promise<void> {
    for (const name of await namesOnDisk()) {
      if (isStopped) return;
      if (unreadable.has(name) || subJournals.some((subJournal) => subJournal.name === name)) continue;
      try {
        const orphan = await adoptSubJournal(directory, name);
        if (orphan === undefined) continue;
        if (isStopped || pendingBytes(orphan) === 0) await releaseSubJournal(orphan);
        else subJournals.splice(-1, 0, orphan);
      } catch (error) {
        // Another user's, perhaps. Said once, and left alone.
        unreadable.add(name);
        onFailed({ reason: "disk", error });
      }
    }
    if (subJournals.length > 1) options.onAdopted();
  }

  async function namesOnDisk(): Promise<string[]> {
    try {
      return await listSubJournals(directory);
    } catch (error) {
      const own = subJournals.at(-1);
      onFailed({ reason: "disk", error: (own && misplaced(own)) ?? error });
      return [];
    }
  }

  return {
    look,
    async stop() {
      isStopped = true;
      clearInterval(timer);
      await looking;
    },
  };
}

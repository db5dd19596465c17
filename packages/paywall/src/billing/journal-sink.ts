import { homedir } from "node:os";
import { join } from "node:path";
import { RateLimitError } from "@licentric/sdk";
import type { Emitter } from "../events.ts";
import type { Journal } from "../journal/journal.ts";
import { openJournal } from "../journal/open-journal.ts";
import { digest } from "../util/digest.ts";
import type { Gateway } from "./gateway.ts";

/** Where and how usage waits for its delivery. */
export interface JournalOptions {
  /**
   * A directory on a local disk that survives restarts; `LICENTRIC_JOURNAL_DIR`, else a folder in `.licentric/usage`
   * in the user's home that is one for each API and management key. Processes of one account may share it; what one
   * leaves undelivered the others deliver, with their own key. Name it, so that a new key finds what the old one left.
   * It holds agents' ids, meters and quantities, and no token.
   */
  readonly directory?: string;
  /** What an event survives when it counts as recorded: kill -9 (`"process"`, default), or a power cut (`"disk"`). */
  readonly durability?: "process" | "disk";
  /** Bytes that may wait; over it, usage is recorded by a request each. 256 MiB by default, some 1.2 million events. */
  readonly maxBytes?: number;
  /** Milliseconds that an event waits for others to share its request; 1,000 by default. */
  readonly flushInterval?: number;
}

/** A journal that opens by itself. */
export interface JournalSink {
  open(): Promise<Journal>;
  /**
   * Delivers everything that was journalled so far, at once.
   *
   * @throws the journal's error where it cannot be opened or something is left
   */
  flush(): Promise<void>;
  /** Delivers what it can in the time given, in milliseconds, and lets go of the directory. */
  close(timeout: number): Promise<void>;
}

/**
 * Where the journal is if nobody says it. Another API or another key may be another account, whose usage must not be
 * delivered with this key.
 */
export function defaultJournalDirectory(baseUrl: string, apiKey: string | null): string {
  const fromEnvironment = process.env["LICENTRIC_JOURNAL_DIR"];
  return fromEnvironment || join(homedir(), ".licentric", "usage", digest(baseUrl, apiKey).slice(0, 16));
}

/** Makes a journal that delivers to the API. It opens at once: what an earlier process left is on its way, too. */
export function createJournalSink(
  options: JournalOptions & { readonly directory: string },
  gateway: Gateway,
  emitter: Emitter,
): JournalSink {
  const { directory } = options;
  let opening: Promise<Journal> | undefined;
  const open = () => {
    opening ??= openJournal({
      ...options,
      deliver: (events, { signal }) => gateway.record(events, signal),
      retryAfter: (error) =>
        error instanceof RateLimitError && error.retryAfter !== undefined
          ? error.retryAfter * 1_000
          : undefined,
      onDelivered: ({ recorded, duplicates }) => emitter.emit("delivered", { count: recorded + duplicates }),
      onFailed: (failure) => {
        const usage = failure.reason === "rejected" ? failure.event : undefined;
        emitter.emit("failed", {
          reason: `the usage journal: ${failure.reason}`,
          error: "error" in failure ? failure.error : failure,
          ...(usage !== undefined && {
            agentId: usage.agentId,
            meterName: usage.meterName,
            quantity: usage.quantity,
          }),
        });
      },
    });
    // The next event tries again.
    opening.catch(() => {
      opening = undefined;
    });
    return opening;
  };
  open().catch((error: unknown) =>
    emitter.emit("failed", { reason: "the usage journal could not be opened", error }),
  );
  return {
    open,
    flush: async () => (await open()).flush(),
    async close(timeout) {
      const journal = await opening?.catch(() => undefined);
      const left = await journal?.close({ timeout });
      if (left !== undefined && left.pendingEvents > 0) {
        const reason = `${left.pendingEvents} usage events wait in ${directory} for the next process`;
        emitter.emit("failed", { reason, error: undefined });
      }
    },
  };
}

import { homedir } from "node:os";
import { join } from "node:path";
import { digest } from "../util/digest.ts";
import { loadTryLock } from "./file-locks.ts";
import { openJournal } from "./open-journal.ts";
import type { UsageJournal } from "./usage-journal.ts";

/** The directory in which usage waits for its delivery, and how safely it waits. */
export interface FileJournalOptions {
  /**
   * A directory on a local disk that survives restarts; `LICENTRIC_JOURNAL_DIR`, else a folder in `.licentric/usage`
   * in the user's home that is one for each API and management key. Processes of one account may share it; what one
   * leaves undelivered the others deliver, with their own key. Name it, so that a new key finds what the old one left.
   * It holds agents' ids, meters and quantities, and no token.
   */
  readonly directory?: string;
  /** The fault that an event survives once it counts as recorded: kill -9 (`"process"`, default), or a power cut (`"disk"`). */
  readonly durability?: "process" | "disk";
  /** Bytes that may wait; over it, usage is recorded by a request each. 256 MiB by default, some 1.2 million events. */
  readonly maxBytes?: number;
  /** Milliseconds that an event waits for others to share its request; 1,000 by default. */
  readonly flushInterval?: number;
}

/**
 * Keeps usage in files until the API has it, for `metering: "background"` and `onUnavailable: "allow"`. It needs Node, a
 * local disk, and the package `fs-native-extensions`, for locks that end with the process.
 *
 * @throws JournalError where this is not Node, or `fs-native-extensions` cannot be loaded
 * @example
 * ```ts
 * import { createPaywall } from "@licentric/paywall";
 * import { fileJournal } from "@licentric/paywall/journal";
 *
 * const paywall = createPaywall({
 *   apiKey: process.env["LICENTRIC_API_KEY"] ?? "",
 *   metering: "background",
 *   journal: fileJournal({ directory: "/var/lib/weather/usage" }),
 * });
 * ```
 */
export function fileJournal(options: FileJournalOptions = {}): UsageJournal {
  // At once, in the owner's own terminal, and not with the first call that is charged.
  loadTryLock();
  return {
    open({ baseUrl, apiKey, ...owner }) {
      const directory = options.directory ?? defaultJournalDirectory(baseUrl, apiKey);
      return openJournal({ ...options, ...owner, directory });
    },
  };
}

/**
 * The journal's directory if nobody says it. Another API or another key may be another account, whose usage must not be
 * delivered with this key.
 */
export function defaultJournalDirectory(baseUrl: string, apiKey: string | null): string {
  const fromEnvironment = process.env["LICENTRIC_JOURNAL_DIR"];
  return fromEnvironment || join(homedir(), ".licentric", "usage", digest(baseUrl, apiKey).slice(0, 16));
}

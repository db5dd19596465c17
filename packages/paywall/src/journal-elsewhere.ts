import type { FileJournalOptions } from "./journal/file-journal.ts";
import { unsupportedRuntime } from "./journal/journal-error.ts";
import type { UsageJournal } from "./journal/usage-journal.ts";

export type { FileJournalOptions, UsageJournal };

// `@licentric/paywall/journal` on every runtime but Node, by the export conditions.

/** @throws JournalError always: there is no file journal here */
export function fileJournal(_options?: FileJournalOptions): UsageJournal {
  const { userAgent } = Object(Reflect.get(globalThis, "navigator"));
  throw unsupportedRuntime(typeof userAgent === "string" ? userAgent : "not Node");
}

export { type FileJournalOptions, fileJournal } from "./journal/file-journal.ts";
export type { UsageJournal } from "./journal/usage-journal.ts";

export { type FileJournalOptions, fileJournal } from "@licentric/paywall/journal";

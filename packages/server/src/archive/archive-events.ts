import { randomBytes } from "node:crypto";
import { createIds } from "../new-ids.ts";
import type { Database } from "../store/database.ts";
import { type ArchivedMonth, type ArchiveOptions, archiveMonth } from "./archive-month.ts";

/**
 * Exports the events that were recorded in a month, of all accounts, as a gzip-compressed CSV, and removes them from
 * the database. Totals and invoices stay, and the books can still be proved: the sums of the events are kept.
 *
 * @param by says in the audit log who did it; `program` by default.
 * @throws {ArchiveError} when the month is too young, or a period with events in it is open or not invoiced.
 *
 * @example
 * ```ts
 * const { file, eventCount } = await archiveEvents(db, { month: "2026-01", directory: "./archive" });
 * ```
 */
export function archiveEvents(
  db: Database,
  options: ArchiveOptions,
  by: "cli" | "program" = "program",
): Promise<ArchivedMonth> {
  return archiveMonth(db, options, { now: new Date(), newId: createIds(randomBytes), actor: by });
}

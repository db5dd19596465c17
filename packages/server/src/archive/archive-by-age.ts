import type { Database } from "../store/database.ts";
import { type ArchivedMonth, ArchiveError, archiveMonth, monthsUntil } from "./archive-month.ts";

/** Options for archiving events automatically. */
export interface AutoArchive {
  /** Directory to which the files are written; made if it is missing. */
  readonly directory: string;
  /** Days after a month's end. 400 by default, and never before the idempotency keys of the month are gone. */
  readonly after?: number;
}

/** Days after a month's end at which its events are archived, where nothing is said. */
const ARCHIVED_AFTER = 400;

const DAY = 86_400_000;

/**
 * Archives each month that is old enough, oldest first. One that has a period which is open or not invoiced is left, and
 * told of; those after it go on.
 */
export async function archiveByAge(
  db: Database,
  { directory, after = ARCHIVED_AFTER, keysKept }: AutoArchive & { readonly keysKept: number },
  { now, newId }: { readonly now: Date; readonly newId: () => string },
  told: { archived: (month: ArchivedMonth) => void; left: (error: ArchiveError) => void },
): Promise<void> {
  const until = new Date(now.getTime() - Math.max(after, keysKept) * DAY);
  for (const month of await monthsUntil(db, until)) {
    try {
      told.archived(await archiveMonth(db, { month, directory, keysKept }, { now, newId, actor: "system" }));
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      told.left(error);
    }
  }
}

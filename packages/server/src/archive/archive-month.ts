import { rm } from "node:fs/promises";
import { recordSystemChange, type SystemChange } from "../audit/audit-events.ts";
import { KEYS_KEPT, removeByAge } from "../retention.ts";
import { type Database, onlyRow, type Queryable } from "../store/database.ts";
import { leastId, type Month, monthOf, timeOfId } from "../store/month.ts";
import { type ExportedMonth, exportMonth } from "./export-month.ts";
import { removeMonth } from "./remove-month.ts";
import { type Unsettled, unsettledOf } from "./unsettled.ts";

/** A month's events cannot be archived; the message says what to do first. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
}

/** Options for archiving a month. */
export interface ArchiveOptions {
  /** In UTC, `YYYY-MM`: the month in which the events were recorded. */
  readonly month: string;
  /** Directory to which the file is written; made if it is missing. */
  readonly directory: string;
  /** Days for which idempotency keys are kept, as the server is told; 90 by default. */
  readonly keysKept?: number;
  /** Writes the file and removes nothing. False by default. */
  readonly exportOnly?: boolean;
}

/** Outcome of archiving a month. */
export interface ArchivedMonth extends ExportedMonth {
  /** True where its events are removed from the database. */
  readonly removed: boolean;
}

interface Making {
  readonly now: Date;
  readonly newId: () => string;
  readonly actor: SystemChange["actor"];
}

const DAY = 86_400_000;
const UNSETTLED_NAMED = 5;

/**
 * Exports the events of a month and removes them from the database. Totals and invoices stay, and so do the sums of
 * the events, so that the books can still be proved. It goes on where one before it was broken off; a month that was
 * archived before answers the same again.
 *
 * @throws {ArchiveError} when the month is too young, or a period with events in it is open or not invoiced.
 */
export async function archiveMonth(
  db: Database,
  { month: name, directory, keysKept = KEYS_KEPT, exportOnly = false }: ArchiveOptions,
  { now, newId, actor }: Making,
): Promise<ArchivedMonth> {
  const month = parseMonth(name);
  const known = await archived(db, month);
  if (known?.removed) return known;
  if (known === undefined && !(await hasEvents(db, month))) {
    throw new ArchiveError(`No events were recorded in ${name}, so there is nothing to archive.`);
  }
  if (exportOnly) return { ...(await exportMonth(db, { month, directory })), removed: false };
  // Until then a repeated request is answered with the event that it had recorded.
  const free = new Date(month.end.getTime() + keysKept * DAY);
  if (now < free) {
    throw new ArchiveError(
      `The events of ${name} are needed until their idempotency keys are gone, ${keysKept} days after its end (${free.toISOString()}).`,
    );
  }
  const unsettled = await unsettledOf(db, month);
  if (unsettled.length > 0) throw new ArchiveError(explain(name, unsettled));
  while ((await removeByAge(db, { idempotencyKeys: keysKept }, now)).size > 0);
  const exported = known ?? (await remember(db, month, await exportMonth(db, { month, directory }), now));
  await removeMonth(db, month, async (tx, changes) => {
    await requireAll(tx, month, exported);
    for (const { environmentId, periodIds } of changes) {
      const operation = "usage.archiveEvents";
      const change = { environmentId, actor, operation, resourceIds: periodIds };
      await recordSystemChange(tx, change, { newId, now });
    }
    await tx.query("UPDATE archived_months SET removed_at = $2 WHERE month = $1", [dateOf(month), now]);
  });
  return { ...exported, removed: true };
}

/**
 * The months before a moment that have events in the database, or were left half removed, oldest first.
 */
export async function monthsUntil(db: Database, until: Date): Promise<string[]> {
  const begun = await db.query<{ name: string }>(
    "SELECT to_char(month, 'YYYY-MM') AS name FROM archived_months WHERE removed_at IS NULL",
  );
  const months = new Set(begun.map(({ name }) => name));
  const oldest = await db.query<{ id: string | null }>(
    `SELECT (SELECT u.id FROM metered_events u WHERE u.environment_id = e.id ORDER BY u.id LIMIT 1) AS id
     FROM environments e`,
  );
  const [first] = oldest.flatMap(({ id }) => (id === null ? [] : [id])).sort();
  if (first !== undefined) {
    for (let month = monthOf(timeOfId(first)); month.end <= until; month = monthOf(month.end)) {
      if (await hasEvents(db, month)) months.add(month.name);
    }
  }
  return [...months].sort();
}

async function hasEvents(db: Database, { start, end }: Month): Promise<boolean> {
  const rows = await db.query<{ found: boolean }>(
    `SELECT EXISTS (
       SELECT FROM environments e
       WHERE EXISTS (SELECT FROM metered_events u WHERE u.environment_id = e.id AND u.id >= $1 AND u.id < $2)
     ) AS found`,
    [leastId(start), leastId(end)],
  );
  return onlyRow(rows).found;
}

function parseMonth(name: string): Month {
  const month = /^\d{4}-(0[1-9]|1[0-2])$/.test(name) ? monthOf(new Date(`${name}-01T00:00:00Z`)) : undefined;
  if (month === undefined) throw new ArchiveError(`"${name}" is not a month. Write it as 2026-01.`);
  return month;
}

const dateOf = ({ name }: Month) => `${name}-01`;

async function archived(db: Database, month: Month): Promise<ArchivedMonth | undefined> {
  const [row] = await db.query<{ file: string; sha256: string; event_count: number; removed: boolean }>(
    `SELECT file, sha256, event_count, removed_at IS NOT NULL AS removed FROM archived_months WHERE month = $1`,
    [dateOf(month)],
  );
  if (row === undefined) return undefined;
  const { file, sha256, event_count: eventCount, removed } = row;
  return { month: month.name, file, sha256, eventCount, removed };
}

/** From here on the file has the events, and a run that was broken off goes on with their removal. */
async function remember(
  db: Database,
  month: Month,
  exported: ExportedMonth,
  now: Date,
): Promise<ExportedMonth> {
  const { file, sha256, eventCount } = exported;
  const made = await db.query(
    `INSERT INTO archived_months (month, file, sha256, event_count, exported_at)
     SELECT $1, $2, $3, $4::bigint, $5
     WHERE $4::bigint = (SELECT count(*) FROM metered_events WHERE id >= $6 AND id < $7)
     ON CONFLICT (month) DO NOTHING RETURNING 1`,
    [dateOf(month), file, sha256, eventCount, now, leastId(month.start), leastId(month.end)],
  );
  if (made.length > 0) return exported;
  const others = await archived(db, month);
  if (others === undefined) throw changedSince(exported);
  // Another process did the same at the same time: one file is enough.
  await rm(file);
  return others;
}

/** Requires that all that is removed was exported: a clock that is far behind may have recorded more. */
async function requireAll(tx: Queryable, month: Month, exported: ExportedMonth): Promise<void> {
  const { count } = onlyRow(
    await tx.query<{ count: number }>(
      "SELECT coalesce(sum(event_count), 0)::bigint AS count FROM archived_totals WHERE month = $1",
      [dateOf(month)],
    ),
  );
  if (count !== exported.eventCount) throw changedSince(exported);
}

function changedSince({ month, file }: ExportedMonth): ArchiveError {
  return new ArchiveError(
    `The events of ${month} are not those that were exported to ${file}: some were recorded since. Look for a server whose clock is behind.`,
  );
}

function explain(month: string, unsettled: readonly Unsettled[]): string {
  const named = unsettled
    .slice(0, UNSETTLED_NAMED)
    .map(({ periodId, what }) => `period ${periodId} ${what}`)
    .join("; ");
  const more = unsettled.length > UNSETTLED_NAMED ? `; and ${unsettled.length - UNSETTLED_NAMED} more` : "";
  return `The events of ${month} are still needed: ${named}${more}. Close and invoice what is named, and archive the month then.`;
}

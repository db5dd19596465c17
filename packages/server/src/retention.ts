import type { Database } from "./store/database.ts";
import { leastId } from "./store/month.ts";

/** For how many days what has served is kept. What is left out is kept for ever, but for idempotency keys. */
export interface Retention {
  /**
   * Idempotency keys, of requests and of events. 90 by default, 31 at least. A request or an event that
   * is sent again after that counts as a new one, so it must be longer than any client or journal goes on trying.
   */
  readonly idempotencyKeys?: number;
  /** Agents' credentials, after they expired or were revoked. */
  readonly credentials?: number;
  /** Reservations, after they were made and are past their time; one that lapsed can be committed until then. */
  readonly reservations?: number;
  /** Entries of the audit log. */
  readonly auditEvents?: number;
}

/** Days for which an idempotency key is kept where nothing is said. */
export const KEYS_KEPT = 90;
/** The fewest days that a retention can be: a month's bill is made out of what happened in it. */
export const LEAST_DAYS = 31;

const DAY = 86_400_000;
/** Rows of one statement, which is one transaction: so few that nobody waits for it. */
const ROWS_AT_ONCE = 1_000;
/** Statements of one run for each table: after these it is left to the next run. */
const STATEMENTS = 500;

interface Removal {
  readonly table: string;
  readonly days: number | undefined;
  /** Which rows go; `$1` is the moment until which they have to be kept, as `cutoff` makes it. */
  readonly where: string;
  readonly cutoff?: (moment: Date) => string;
}

function removals(retention: Retention): Removal[] {
  const { idempotencyKeys = KEYS_KEPT, credentials, reservations, auditEvents } = retention;
  const ended = "least(expires_at, coalesce(revoked_at, expires_at)) < $1";
  return [
    { table: "usage_event_keys", days: idempotencyKeys, where: "event_id < $1", cutoff: leastId },
    { table: "idempotency_keys", days: idempotencyKeys, where: "created_at < $1" },
    { table: "reservations", days: reservations, where: "created_at < $1 AND expires_at < $1" },
    {
      table: "credentials",
      days: credentials,
      where: `${ended} AND NOT EXISTS (SELECT FROM reservations r WHERE r.credential_id = credentials.id)`,
    },
    { table: "audit_events", days: auditEvents, where: "created_at < $1" },
  ];
}

/**
 * Removes what is older than it is kept, in batches of their own. What a run leaves, the next one removes; several
 * processes do not stand in each other's way.
 *
 * @returns how many rows went, by table.
 */
export async function removeByAge(
  db: Database,
  retention: Retention,
  now: Date,
): Promise<ReadonlyMap<string, number>> {
  const removed = new Map<string, number>();
  for (const { table, days, where, cutoff } of removals(retention)) {
    if (days === undefined) continue;
    const moment = new Date(now.getTime() - days * DAY);
    const count = await removeInBatches(db, table, where, cutoff === undefined ? moment : cutoff(moment));
    if (count > 0) removed.set(table, count);
  }
  return removed;
}

async function removeInBatches(
  db: Database,
  table: string,
  where: string,
  cutoff: string | Date,
): Promise<number> {
  let count = 0;
  for (let statement = 0; statement < STATEMENTS; statement += 1) {
    const rows = await db.query(
      `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM ${table} WHERE ${where} LIMIT ${ROWS_AT_ONCE} FOR UPDATE SKIP LOCKED
       )) RETURNING 1`,
      [cutoff],
    );
    count += rows.length;
    if (rows.length < ROWS_AT_ONCE) break;
  }
  // PostgreSQL does it by itself; the embedded database has nothing that would.
  if (count > 0 && db.kind === "embedded") await db.maintain(`VACUUM ${table}`);
  return count;
}

import type { Page } from "../http/page.ts";
import { type Database, type Queryable, uuidParam } from "../store/database.ts";
import { getCurrentPeriod } from "./periods.ts";

/** A period whose costs are looked at before it is invoiced. */
export interface PreviewedPeriod {
  readonly id: string;
  readonly status: "open" | "closed";
  readonly starts_at: Date;
  readonly ends_at: Date;
  readonly currency: string;
}

/**
 * Reads a page from one snapshot of the database, so that all of it belongs together whatever is recorded meanwhile.
 * Nothing can be changed in it. Of a period that does not exist the page is empty.
 *
 * @param periodId undefined: the period that takes usage now, which is opened first if there is none.
 */
export async function readPageOfPeriod<Item>(
  db: Database,
  environmentId: string,
  periodId: string | undefined,
  making: { readonly newId: () => string; readonly now: Date },
  read: (tx: Queryable, period: PreviewedPeriod) => Promise<Page<Item>>,
): Promise<Page<Item>> {
  const id = periodId ?? (await getCurrentPeriod(db, environmentId, making)).id;
  return db.transaction(async (tx) => {
    await tx.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const [period] = await tx.query<PreviewedPeriod>(
      `SELECT p.id, p.status, p.starts_at, p.ends_at, coalesce(p.currency, e.currency, a.currency) AS currency
       FROM periods p JOIN environments e ON e.id = p.environment_id JOIN accounts a ON a.id = e.account_id
       WHERE p.environment_id = $1 AND p.id = $2`,
      [environmentId, uuidParam(id)],
    );
    return period === undefined
      ? { data: [], pagination: { hasMore: false, nextCursor: null } }
      : read(tx, period);
  });
}

import { notFound } from "../http/api-error.ts";
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
 * Reads from one snapshot of the database, so that all that is read belongs together whatever is recorded meanwhile.
 * Nothing can be changed in it.
 *
 * @param periodId undefined: the period that takes usage now, which is opened first if there is none.
 * @throws {ApiError} `NOT_FOUND` where there is no such period.
 */
export async function readPeriodSnapshot<Result>(
  db: Database,
  environmentId: string,
  periodId: string | undefined,
  making: { readonly newId: () => string; readonly now: Date },
  read: (tx: Queryable, period: PreviewedPeriod) => Promise<Result>,
): Promise<Result> {
  const id = periodId ?? (await getCurrentPeriod(db, environmentId, making)).id;
  return db.transaction(async (tx) => {
    await tx.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const [period] = await tx.query<PreviewedPeriod>(
      `SELECT p.id, p.status, p.starts_at, p.ends_at, coalesce(p.currency, e.currency, a.currency) AS currency
       FROM periods p JOIN environments e ON e.id = p.environment_id JOIN accounts a ON a.id = e.account_id
       WHERE p.environment_id = $1 AND p.id = $2`,
      [environmentId, uuidParam(id)],
    );
    if (period === undefined) throw notFound("billing period", id);
    return read(tx, period);
  });
}

import type { Queryable } from "../store/database.ts";
import { openPeriod } from "./open-period.ts";
import { quantitiesOfPeriod } from "./period-quantities.ts";

interface Making {
  readonly newId: () => string;
  readonly now: Date;
}

/**
 * Writes down what a period's adjustments take away beyond its usage, for the next period. It is to run in the
 * transaction that closes the period, whose lock keeps everything else out of it; the next one is kept open by a lock
 * of its own until this is written.
 */
export async function carryOver(
  tx: Queryable,
  environmentId: string,
  periodId: string,
  making: Making,
): Promise<void> {
  const left = `SELECT $1::uuid AS environment_id, $2::uuid AS from_period_id, q.customer_id, q.meter_id, q.carried_over
    FROM ${quantitiesOfPeriod("$2::uuid")} q WHERE q.carried_over < 0`;
  const any = await tx.query(`${left} LIMIT 1`, [environmentId, periodId]);
  if (any.length === 0) return;
  const next = await lockNextPeriod(tx, environmentId, periodId, making);
  await tx.query(
    `INSERT INTO carried_adjustments (environment_id, from_period_id, period_id, customer_id, meter_id, quantity)
     SELECT environment_id, from_period_id, $3::uuid, customer_id, meter_id, carried_over FROM (${left}) l`,
    [environmentId, periodId, next],
  );
}

/** The first open period behind a closed one; opened if there is none. It is not closed before the transaction ends. */
async function lockNextPeriod(
  tx: Queryable,
  environmentId: string,
  periodId: string,
  making: Making,
): Promise<string> {
  const [behind] = await tx.query<{ id: string }>(
    `SELECT id FROM periods
     WHERE environment_id = $1 AND status = 'open'
       AND starts_at >= (SELECT starts_at FROM periods WHERE environment_id = $1 AND id = $2)
     ORDER BY starts_at, id LIMIT 1 FOR SHARE`,
    [environmentId, periodId],
  );
  return behind?.id ?? lockCurrentPeriod(tx, environmentId, making);
}

/** The period that takes usage now; opened if there is none. It is not closed before the transaction ends. */
export async function lockCurrentPeriod(
  tx: Queryable,
  environmentId: string,
  making: Making,
): Promise<string> {
  for (;;) {
    const [current] = await tx.query<{ id: string }>(
      `SELECT id FROM periods WHERE environment_id = $1 AND status = 'open' AND ends_at > $2
       ORDER BY starts_at LIMIT 1 FOR SHARE`,
      [environmentId, making.now],
    );
    if (current !== undefined) return current.id;
    // None yet, or it was closed while this waited for it.
    await openPeriod(tx, environmentId, making);
  }
}

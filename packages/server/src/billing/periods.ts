import type { BillingPeriod, ListPeriodsQuery } from "@licentric/contract";
import type { z } from "zod";
import { recordSystemChange } from "../audit/audit-events.ts";
import { summedQuantity } from "../exact-integer.ts";
import { notFound } from "../http/api-error.ts";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import { clockSkew } from "../store/clock-skew.ts";
import { type Database, onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { enqueueWebhook } from "../webhooks/outbox.ts";
import { carryOver } from "./carry-over.ts";
import { openPeriod } from "./open-period.ts";
import { endOnceClosed } from "./period-bounds.ts";
import { partsOf, type QuantityRow, quantitiesOfPeriod, SUMMED_PARTS } from "./period-quantities.ts";
import { fixTerms } from "./terms-of-period.ts";

interface PeriodRow {
  id: string;
  status: "open" | "closed";
  starts_at: Date;
  ends_at: Date;
  closed_at: Date | null;
  created_at: Date;
  currency: string;
  time_zone: string;
  totals: (QuantityRow & { meterName: string; eventCount: number })[];
}

// The totals are kept as events arrive, so reading them costs the same whatever the number of events. Quantities are
// carried as text: together, agents may have used more than a number holds.
const SELECT_PERIOD = `
SELECT p.id, p.status, p.starts_at, p.ends_at, p.closed_at, p.created_at, coalesce(t.totals, '[]'::jsonb) AS totals,
  coalesce(p.currency, e.currency, a.currency) AS currency, coalesce(p.time_zone, e.time_zone, a.time_zone) AS time_zone
FROM periods p
JOIN environments e ON e.id = p.environment_id
JOIN accounts a ON a.id = e.account_id
LEFT JOIN LATERAL (
  SELECT jsonb_agg(
    to_jsonb(t) || jsonb_build_object('meterName', m.name, 'eventCount', t.event_count) ORDER BY m.name
  ) AS totals
  FROM (
    SELECT q.meter_id, ${SUMMED_PARTS}, sum(q.event_count) AS event_count
    FROM ${quantitiesOfPeriod("p.id")} q GROUP BY q.meter_id
  ) t JOIN meters m ON m.id = t.meter_id
) t ON true`;

function toPeriod(row: PeriodRow): BillingPeriod {
  return {
    id: row.id,
    status: row.status,
    startsAt: row.starts_at.toISOString(),
    endsAt: row.ends_at.toISOString(),
    closedAt: row.closed_at?.toISOString() ?? null,
    currency: row.currency,
    timeZone: row.time_zone,
    totals: row.totals.map((total) => {
      const { meterName, quantity, eventCount } = total;
      const parts = partsOf(total);
      return { meterName, ...summedQuantity(quantity), ...(parts && { parts }), eventCount };
    }),
    createdAt: row.created_at.toISOString(),
  };
}

/** The period that takes usage now; made if there is none yet. */
export async function getCurrentPeriod(
  db: Database,
  environmentId: string,
  { newId, now }: { newId: () => string; now: Date },
): Promise<BillingPeriod> {
  const select = async () =>
    (
      await db.query<PeriodRow>(
        `${SELECT_PERIOD} WHERE p.environment_id = $1 AND p.status = 'open' AND p.ends_at > $2
         ORDER BY p.starts_at LIMIT 1`,
        [environmentId, now],
      )
    ).map(toPeriod)[0];
  let period = await select();
  while (period === undefined) {
    await db.transaction((tx) => openPeriod(tx, environmentId, { newId, now }));
    period = await select();
  }
  return period;
}

/** Reads a period. */
export async function getPeriod(db: Queryable, environmentId: string, id: string): Promise<BillingPeriod> {
  const rows = await db.query<PeriodRow>(`${SELECT_PERIOD} WHERE p.environment_id = $1 AND p.id = $2`, [
    environmentId,
    uuidParam(id),
  ]);
  if (rows.length === 0) throw notFound("billing period", id);
  return toPeriod(onlyRow(rows));
}

/**
 * A period's first and last day, `YYYY-MM-DD`, by the database's own time zone data: that is what its bounds were made
 * with. It ends before the first moment that no longer belongs to it.
 */
export async function daysOfPeriod(
  db: Queryable,
  environmentId: string,
  id: string,
): Promise<{ first: string; last: string }> {
  return onlyRow(
    await db.query<{ first: string; last: string }>(
      `SELECT (p.starts_at AT TIME ZONE zone.name)::date AS first,
              (greatest(p.starts_at, p.ends_at - interval '1 millisecond') AT TIME ZONE zone.name)::date AS last
       FROM periods p
       JOIN environments e ON e.id = p.environment_id
       JOIN accounts a ON a.id = e.account_id
       CROSS JOIN LATERAL (SELECT coalesce(p.time_zone, e.time_zone, a.time_zone) AS name) zone
       WHERE p.environment_id = $1 AND p.id = $2`,
      [environmentId, uuidParam(id)],
    ),
  );
}

/** Lists periods, newest first. */
export function listPeriods(
  db: Queryable,
  environmentId: string,
  query: z.output<typeof ListPeriodsQuery>,
): Promise<Page<BillingPeriod>> {
  const page = pageRequest(query);
  return readPage(
    page,
    (limit) =>
      db.query<PeriodRow>(
        `${SELECT_PERIOD} WHERE p.environment_id = $1 AND ($2::uuid IS NULL OR p.id < $2)
           AND ($3::text IS NULL OR p.status = $3)
         ORDER BY p.id DESC LIMIT $4`,
        [environmentId, page.cursor, query.status ?? null, limit],
      ),
    toPeriod,
  );
}

/**
 * Closes a period and answers its final totals. The row lock waits for usage that is being recorded in it and holds
 * back what comes after, which lands in the next period. What adjustments take away beyond the usage is carried over to
 * that, and the terms of customers that count for it are written down. Closing a closed period answers the same again.
 */
export async function closePeriod(
  tx: Queryable,
  environmentId: string,
  id: string,
  making: { newId: () => string; now: Date },
): Promise<BillingPeriod> {
  return (await closeOnce(tx, environmentId, id, making)).period;
}

/** Closes a period, and says whether it was this that closed it. */
async function closeOnce(
  tx: Queryable,
  environmentId: string,
  id: string,
  { newId, now }: { newId: () => string; now: Date },
): Promise<{ period: BillingPeriod; closedNow: boolean }> {
  const rows = await tx.query("SELECT 1 FROM periods WHERE environment_id = $1 AND id = $2 FOR UPDATE", [
    environmentId,
    uuidParam(id),
  ]);
  if (rows.length === 0) throw notFound("billing period", id);
  await fixTerms(tx, uuidParam(id));
  const closed = await tx.query(
    `UPDATE periods p SET status = 'closed', closed_at = $3, ends_at = ${endOnceClosed("$3")}
     WHERE environment_id = $1 AND id = $2 AND status = 'open' RETURNING id`,
    [environmentId, uuidParam(id), now],
  );
  if (closed.length > 0) await carryOver(tx, environmentId, uuidParam(id), { newId, now });
  const period = await getPeriod(tx, environmentId, id);
  if (closed.length > 0) await enqueueWebhook(tx, environmentId, "period.closed", period, { newId, now });
  return { period, closedNow: closed.length > 0 };
}

const CLOSED_AT_ONCE = 100;

/** Options for closing periods automatically. */
export interface AutoClose {
  /** Milliseconds after its end at which a period is closed: until then usage with a timestamp in it lands in it. */
  readonly grace: number;
  /** Milliseconds by which this server's clock may differ from the database's. */
  readonly maxClockSkew: number;
  readonly newId: () => string;
  readonly now: () => Date;
}

/**
 * Closes every period whose time is over. Each is closed by itself; another process that does the same at once finds
 * it closed. A close is for good, so a clock that may be wrong closes nothing.
 *
 * @throws {Error} when there is one to close, and the clock differs too much from the database's.
 */
export async function closeEndedPeriods(
  db: Database,
  { grace, maxClockSkew, newId, now: clock }: AutoClose,
): Promise<void> {
  const now = clock();
  const due = await db.query<{ id: string; environment_id: string }>(
    `SELECT id, environment_id FROM periods WHERE status = 'open' AND ends_at <= $1 ORDER BY ends_at LIMIT $2`,
    [new Date(now.getTime() - grace), CLOSED_AT_ONCE],
  );
  if (due.length === 0) return;
  const skew = await clockSkew(db, () => now);
  if (Math.abs(skew) > maxClockSkew) {
    // Without the skew itself, which is another one each time it is measured: the same fault is logged once.
    const off = `more than ${maxClockSkew / 1_000} s ${skew > 0 ? "ahead of" : "behind"}`;
    throw new Error(
      `This server's clock is ${off} its database's, so no period is closed. /readyz says by how much (clockSkew). Set both by NTP (timedatectl set-ntp true).`,
    );
  }
  for (const { id, environment_id: environmentId } of due) {
    await db.transaction(async (tx) => {
      const { closedNow } = await closeOnce(tx, environmentId, id, { newId, now });
      if (!closedNow) return;
      const operation = "billing.closePeriod";
      await recordSystemChange(
        tx,
        { environmentId, actor: "system", operation, resourceIds: [id] },
        { newId, now },
      );
    });
  }
}

import { exactInteger } from "../exact-integer.ts";
import type { Queryable } from "../store/database.ts";
import type { BudgetUse } from "./budget-rules.ts";

interface BudgetRow {
  id: string;
  environment_id: string;
  agent_id: string;
  meter_name: string;
  budget_window: BudgetUse["window"];
  quantity_limit: number;
  warn_at_percent: number;
  enforced: boolean;
  max_quantity_per_call: number;
  warned_window: string | null;
  exceeded_window: string | null;
  window_key: string | null;
  resets_at: Date | null;
  recorded: string;
  held: string;
  created_at: Date;
  updated_at: Date;
}

/**
 * Budgets with what is used of each in the window that runs at `$1`. What was recorded comes from the totals that are
 * kept as events arrive; a hold that is past its time is left out by its time alone.
 *
 * @param source selects rows of `budgets`.
 */
const selectUse = (source: string) => `
SELECT b.id, b.environment_id, b.agent_id, m.name AS meter_name, b.budget_window, b.quantity_limit, b.warn_at_percent,
  b.enforced, m.max_quantity_per_call, b.warned_window, b.exceeded_window, b.created_at, b.updated_at,
  CASE b.budget_window WHEN 'day' THEN clock.today::text WHEN 'period' THEN period.id::text ELSE 'total' END AS window_key,
  CASE b.budget_window WHEN 'day' THEN clock.tomorrow WHEN 'period' THEN coalesce(period.ends_at, clock.next_month) END
    AS resets_at,
  recorded.quantity::text AS recorded, held.quantity::text AS held
FROM (${source}) b
JOIN meters m ON m.id = b.meter_id
JOIN environments e ON e.id = b.environment_id
JOIN accounts a ON a.id = e.account_id
LEFT JOIN LATERAL (
  SELECT p.id, p.ends_at, p.time_zone FROM periods p
  WHERE p.environment_id = b.environment_id AND p.status = 'open' AND p.ends_at > $1
  ORDER BY p.starts_at LIMIT 1
) period ON true
CROSS JOIN LATERAL (SELECT coalesce(period.time_zone, e.time_zone, a.time_zone) AS name) zone
CROSS JOIN LATERAL (
  SELECT ($1::timestamptz AT TIME ZONE zone.name)::date AS today,
    (($1::timestamptz AT TIME ZONE zone.name)::date + 1)::timestamp AT TIME ZONE zone.name AS tomorrow,
    (date_trunc('month', $1::timestamptz AT TIME ZONE zone.name) + interval '1 month') AT TIME ZONE zone.name
      AS next_month
) clock
CROSS JOIN LATERAL (
  SELECT coalesce(sum(t.quantity), 0) AS quantity FROM usage_totals t
  WHERE t.agent_id = b.agent_id AND t.meter_id = b.meter_id AND t.environment_id = b.environment_id
    AND CASE b.budget_window WHEN 'day' THEN t.day = clock.today WHEN 'period' THEN t.period_id = period.id ELSE true END
) recorded
CROSS JOIN LATERAL (
  SELECT coalesce(sum(r.quantity), 0) AS quantity FROM reservations r
  WHERE r.agent_id = b.agent_id AND r.meter_id = b.meter_id AND r.environment_id = b.environment_id
    AND r.status = 'held' AND r.expires_at > $1
) held`;

function toUse(row: BudgetRow): BudgetUse {
  return {
    id: row.id,
    environmentId: row.environment_id,
    agentId: row.agent_id,
    meterName: row.meter_name,
    window: row.budget_window,
    limit: row.quantity_limit,
    warnAtPercent: row.warn_at_percent,
    enforced: row.enforced,
    maxQuantityPerCall: row.max_quantity_per_call,
    windowKey: row.window_key,
    resetsAt: row.resets_at,
    recorded: toQuantity(row.recorded),
    held: toQuantity(row.held),
    warnedWindow: row.warned_window,
    exceededWindow: row.exceeded_window,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** A sum of many totals may pass what a number holds exactly. Every limit is smaller, so it is over in any case. */
function toQuantity(sum: string): number {
  return BigInt(sum) > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : exactInteger(sum);
}

/** Target of a call's usage, which determines the budgets that apply. */
export interface BudgetTarget {
  readonly environmentId: string;
  readonly agentId: string;
  readonly meterName: string;
}

const APPLYING = `
SELECT b.* FROM budgets b JOIN meters m ON m.id = b.meter_id
JOIN unnest($2::uuid[], $3::uuid[], $4::text[]) AS t (environment_id, agent_id, meter_name)
  ON t.environment_id = b.environment_id AND t.agent_id = b.agent_id AND t.meter_name = m.name`;

/** The budgets that apply, as they stand. */
export async function readBudgetsFor(db: Queryable, target: BudgetTarget, now: Date): Promise<BudgetUse[]> {
  const rows = await db.query<BudgetRow>(`/* read-budgets */${selectUse(APPLYING)}`, [
    now,
    [target.environmentId],
    [target.agentId],
    [target.meterName],
  ]);
  return rows.map(toUse);
}

/**
 * Locks the budgets that apply to any of the targets until the transaction ends, and reads what is used of them.
 * Whoever checks and records under this lock is alone with them, in all processes. They are locked in one order
 * everywhere. Reading is a statement of its own: it must see what those did who held the lock before.
 */
export async function lockBudgetsFor(
  tx: Queryable,
  targets: readonly BudgetTarget[],
  now: Date,
): Promise<BudgetUse[]> {
  const unique = [...new Map(targets.map((target) => [budgetKey(target), target])).values()];
  const values = [
    unique.map(({ environmentId }) => environmentId),
    unique.map(({ agentId }) => agentId),
    unique.map(({ meterName }) => meterName),
  ];
  // Sent together, and run one after the other.
  const [locked, rows] = await Promise.all([
    tx.query<{ id: string }>(
      `/* lock-budgets */
       SELECT b.id FROM budgets b JOIN meters m ON m.id = b.meter_id
       JOIN unnest($1::uuid[], $2::uuid[], $3::text[]) AS t (environment_id, agent_id, meter_name)
         ON t.environment_id = b.environment_id AND t.agent_id = b.agent_id AND t.meter_name = m.name
       ORDER BY b.id FOR NO KEY UPDATE OF b`,
      values,
    ),
    tx.query<BudgetRow>(`/* read-locked-budgets */${selectUse(APPLYING)} ORDER BY b.id`, [now, ...values]),
  ]);
  // One that was made between the two is not locked.
  const ids = new Set(locked.map(({ id }) => id));
  return rows.filter(({ id }) => ids.has(id)).map(toUse);
}

/** Returns a key that is the same for targets to which the same budgets apply. */
export function budgetKey({ environmentId, agentId, meterName }: BudgetTarget): string {
  return `${environmentId} ${agentId} ${meterName}`;
}

/** Reads budgets of an environment, newest first. */
export async function selectBudgets(
  db: Queryable,
  environmentId: string,
  narrowing: {
    readonly id?: string | null;
    readonly agentId?: string | null;
    readonly meterName?: string | null;
    readonly cursor?: string | null;
    readonly limit: number;
  },
  now: Date,
): Promise<BudgetUse[]> {
  const rows = await db.query<BudgetRow>(
    `${selectUse(`
       SELECT b.* FROM budgets b JOIN meters m ON m.id = b.meter_id
       WHERE b.environment_id = $2 AND ($3::uuid IS NULL OR b.id = $3) AND ($4::uuid IS NULL OR b.agent_id = $4)
         AND ($5::text IS NULL OR m.name = $5) AND ($6::uuid IS NULL OR b.id < $6)
       ORDER BY b.id DESC LIMIT $7`)} ORDER BY b.id DESC`,
    [
      now,
      environmentId,
      narrowing.id ?? null,
      narrowing.agentId ?? null,
      narrowing.meterName ?? null,
      narrowing.cursor ?? null,
      narrowing.limit,
    ],
  );
  return rows.map(toUse);
}

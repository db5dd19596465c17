import { exactInteger } from "../exact-integer.ts";
import type { Queryable } from "../store/database.ts";
import { type ApplyingBudgets, type BudgetTarget, type BudgetUse, budgetKey } from "./budget-rules.ts";
import { ALL_BUDGETS, customerBudgetsOf, ownBudgetsOf } from "./budget-tables.ts";

interface BudgetRow {
  id: string;
  environment_id: string;
  agent_id: string | null;
  customer_id: string | null;
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
 * The totals of whom a budget limits, with those of its window among them. A customer may have many agents: of its totals
 * only those are read whose period may be in the window.
 */
const TOTALS = `
SELECT meter_id, period_id, day, quantity FROM usage_totals
WHERE environment_id = b.environment_id AND agent_id = b.agent_id
UNION ALL
SELECT meter_id, period_id, day, quantity FROM usage_totals
WHERE b.budget_window = 'total' AND environment_id = b.environment_id AND customer_id = b.customer_id
UNION ALL
SELECT own.meter_id, own.period_id, own.day, own.quantity
FROM periods recent JOIN usage_totals own ON own.period_id = recent.id
WHERE b.budget_window <> 'total' AND recent.environment_id = b.environment_id
  AND recent.ends_at > $1::timestamptz - interval '2 days'
  AND own.environment_id = b.environment_id AND own.customer_id = b.customer_id`;

/**
 * Budgets with what is used of each in the window that runs at `$1`. What was recorded comes from the totals that are
 * kept as events arrive; a hold that is past its time is left out by its time alone. A customer's budget counts what was
 * recorded for the customer, and the holds of the agents that belong to it now: for it they will be recorded.
 *
 * @param source selects rows of {@link ALL_BUDGETS}.
 * @param further more columns of them.
 */
const selectUse = (source: string, further = "") => `
SELECT b.id, b.environment_id, b.agent_id, b.customer_id,${further} m.name AS meter_name, b.budget_window, b.quantity_limit, b.warn_at_percent,
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
  SELECT coalesce(sum(t.quantity), 0) AS quantity FROM (${TOTALS}) t
  WHERE t.meter_id = b.meter_id
    AND CASE b.budget_window WHEN 'day' THEN t.day = clock.today WHEN 'period' THEN t.period_id = period.id ELSE true END
) recorded
CROSS JOIN LATERAL (
  SELECT coalesce(sum(r.quantity), 0) AS quantity FROM (
    SELECT quantity FROM reservations
    WHERE agent_id = b.agent_id AND meter_id = b.meter_id AND environment_id = b.environment_id
      AND status = 'held' AND expires_at > $1
    UNION ALL
    SELECT h.quantity FROM agents owned JOIN reservations h ON h.agent_id = owned.id
    WHERE owned.customer_id = b.customer_id AND h.meter_id = b.meter_id AND h.environment_id = b.environment_id
      AND h.status = 'held' AND h.expires_at > $1
  ) r
) held`;

function toUse(row: BudgetRow): BudgetUse {
  return {
    id: row.id,
    environmentId: row.environment_id,
    agentId: row.agent_id,
    customerId: row.customer_id,
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

/** Selects the budgets that apply to usage, each once. @param first as of {@link ownBudgetsOf}. */
const applyingTo = (first: number) => `
SELECT b.*, applied.places FROM (
  SELECT id, array_agg(ord::int) AS places FROM (${ownBudgetsOf(first)} UNION ALL ${customerBudgetsOf(first)}) found
  GROUP BY id
) applied JOIN ${ALL_BUDGETS} b ON b.id = applied.id`;

/** The budgets that apply, as they stand. */
export async function readBudgetsFor(db: Queryable, target: BudgetTarget, now: Date): Promise<BudgetUse[]> {
  const rows = await db.query<BudgetRow>(`/* read-budgets */${selectUse(applyingTo(2))}`, [
    now,
    ...parametersOf([target]),
  ]);
  return rows.map(toUse);
}

/** Those of agents before those of customers, as the parts of a union are run in their order. */
const LOCK = `/* lock-budgets */
WITH own AS (
  SELECT b.id FROM budgets b WHERE b.id IN (SELECT id FROM (${ownBudgetsOf(1)}) found)
  ORDER BY b.id FOR NO KEY UPDATE
),
shared AS (
  SELECT b.id FROM customer_budgets b WHERE b.id IN (SELECT id FROM (${customerBudgetsOf(1)}) found)
  ORDER BY b.id FOR NO KEY UPDATE
)
SELECT id FROM own UNION ALL SELECT id FROM shared`;

const READ_LOCKED = `/* read-locked-budgets */${selectUse(applyingTo(2), " b.places,")} ORDER BY b.id`;

/**
 * Locks the budgets that apply to any of the targets until the transaction ends, and reads what is used of them.
 * Whoever checks and records under this lock is alone with them, in all processes. They are locked in one order
 * everywhere. Reading is a statement of its own: it must see what those did who held the lock before.
 *
 * A budget that was made between the two, or applies from then on as its agent moved to another customer, is not locked
 * and therefore left out: recording tells of it.
 */
export async function lockBudgetsFor(
  tx: Queryable,
  targets: readonly BudgetTarget[],
  now: Date,
): Promise<ApplyingBudgets> {
  const unique = [...new Map(targets.map((target) => [budgetKey(target), target])).values()];
  const values = parametersOf(unique);
  // Sent together, and run one after the other.
  const [locked, rows] = await Promise.all([
    tx.query<{ id: string }>(LOCK, values),
    tx.query<BudgetRow & { places: number[] }>(READ_LOCKED, [now, ...values]),
  ]);
  const ids = new Set(locked.map(({ id }) => id));
  const uses = new Map<string, BudgetUse>();
  const idsFor = new Map<string, string[]>();
  for (const row of rows.filter(({ id }) => ids.has(id))) {
    uses.set(row.id, toUse(row));
    for (const place of row.places) {
      const target = unique[place - 1];
      if (target === undefined) throw new Error("a budget applies to nothing that was asked for");
      const key = budgetKey(target);
      idsFor.set(key, [...(idsFor.get(key) ?? []), row.id]);
    }
  }
  return { uses, idsFor };
}

function parametersOf(targets: readonly BudgetTarget[]) {
  return [
    targets.map(({ environmentId }) => environmentId),
    targets.map(({ agentId }) => agentId),
    targets.map(({ meterName }) => meterName),
  ];
}

/** Reads budgets of an environment, newest first. */
export async function selectBudgets(
  db: Queryable,
  environmentId: string,
  narrowing: {
    readonly id?: string | null;
    readonly agentId?: string | null;
    readonly customerId?: string | null;
    /** The agent whose own budgets, and those of its customer, are read. */
    readonly applyingToAgent?: string | null;
    readonly meterName?: string | null;
    readonly cursor?: string | null;
    readonly limit: number;
  },
  now: Date,
): Promise<BudgetUse[]> {
  const rows = await db.query<BudgetRow>(
    `${selectUse(`
       SELECT b.* FROM ${ALL_BUDGETS} b JOIN meters m ON m.id = b.meter_id
       WHERE b.environment_id = $2 AND ($3::uuid IS NULL OR b.id = $3) AND ($4::uuid IS NULL OR b.agent_id = $4)
         AND ($5::uuid IS NULL OR b.customer_id = $5)
         AND ($6::uuid IS NULL OR b.agent_id = $6
           OR b.customer_id = (SELECT customer_id FROM agents WHERE environment_id = $2 AND id = $6))
         AND ($7::text IS NULL OR m.name = $7) AND ($8::uuid IS NULL OR b.id < $8)
       ORDER BY b.id DESC LIMIT $9`)} ORDER BY b.id DESC`,
    [
      now,
      environmentId,
      narrowing.id ?? null,
      narrowing.agentId ?? null,
      narrowing.customerId ?? null,
      narrowing.applyingToAgent ?? null,
      narrowing.meterName ?? null,
      narrowing.cursor ?? null,
      narrowing.limit,
    ],
  );
  return rows.map(toUse);
}

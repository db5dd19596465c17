import type { Price } from "@licentric/contract";
import { priceOfPeriod } from "../billing/price-of-period.ts";
import { exactInteger } from "../exact-integer.ts";
import type { BudgetUse } from "./budget-rules.ts";
import { joinClock } from "./running-clock.ts";

/** A budget as {@link selectUse} reads it. */
export interface BudgetRow {
  id: string;
  environment_id: string;
  agent_id: string | null;
  customer_id: string | null;
  /** null: a budget in money for all meters. */
  meter_name: string | null;
  budget_window: BudgetUse["window"];
  /** null: it is in money, and `amount_limit` is its limit. */
  quantity_limit: number | null;
  amount_limit: string | null;
  currency: string;
  warn_at_percent: number;
  enforced: boolean;
  max_quantity_per_call: number | null;
  warned_window: string | null;
  exceeded_window: string | null;
  window_key: string | null;
  resets_at: Date | null;
  recorded: string;
  held: string;
  /** Of a budget in money; null where its meters have no period. */
  meters: MeterRow[] | null;
  created_at: Date;
  updated_at: Date;
}

interface MeterRow {
  meterName: string;
  maxQuantityPerCall: number;
  periodId: string;
  isRunning: boolean;
  price: Price | null;
  before: string;
  recorded: string;
  held: string;
  /** null where the price has no free units of each day. */
  days: Readonly<Record<string, string>> | null;
  today: string;
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

/** The holds of whom a budget limits that have not lapsed: one that is past its time is left out by its time alone. */
const HOLDS = `
SELECT meter_id, quantity FROM reservations
WHERE agent_id = b.agent_id AND environment_id = b.environment_id AND status = 'held' AND expires_at > $1
UNION ALL
SELECT h.meter_id, h.quantity FROM agents owned JOIN reservations h ON h.agent_id = owned.id
WHERE owned.customer_id = b.customer_id AND h.environment_id = b.environment_id AND h.status = 'held'
  AND h.expires_at > $1`;

/** The usage of a budget in money, by meter, period and day. What is held has no day. */
const BY_DAY = `
SELECT u.meter_id, u.period_id, u.day, u.inside, sum(u.quantity) AS quantity, sum(u.held) AS held
FROM (
  SELECT t.meter_id, t.period_id, t.day, t.quantity, b.budget_window <> 'day' OR t.day = clock.today AS inside,
    0 AS held
  FROM (${TOTALS}) t
  UNION ALL
  SELECT r.meter_id, period.id, NULL, 0, true, r.quantity FROM (${HOLDS}) r
  UNION ALL
  SELECT unused.id, taking.id, NULL, 0, true, 0 FROM meters unused
  JOIN periods taking ON taking.environment_id = unused.environment_id AND taking.status = 'open'
  WHERE unused.environment_id = b.environment_id
) u
WHERE (b.meter_id IS NULL OR u.meter_id = b.meter_id) AND (b.budget_window <> 'period' OR u.period_id = period.id)
GROUP BY u.meter_id, u.period_id, u.day, u.inside`;

/**
 * The usage of a budget in money, by meter and period, with the prices to bill it by: of every meter that it is for, in the
 * periods with usage in its window, and in those that take usage. Prices are those that its customer pays now, or the
 * customer whom its agent belongs to. Which price that is, is decided here alone.
 */
const METERS = `
SELECT jsonb_agg(jsonb_build_object('meterName', meter.name, 'maxQuantityPerCall', meter.max_quantity_per_call,
  'periodId', q.period_id, 'isRunning', q.period_id = period.id, 'price', priced.price, 'before', q.before::text,
  'recorded', q.recorded::text, 'held', q.held::text, 'today', clock.today,
  'days', CASE priced.price #>> '{allowance,every}' WHEN 'day' THEN coalesce(q.days, '{}') END)) AS meters
FROM (
  SELECT d.meter_id, d.period_id, sum(CASE WHEN d.inside THEN 0 ELSE d.quantity END) AS before,
    sum(CASE WHEN d.inside THEN d.quantity ELSE 0 END) AS recorded, sum(d.held) AS held,
    jsonb_object_agg(d.day, d.quantity::text) FILTER (WHERE d.day IS NOT NULL) AS days
  FROM (${BY_DAY}) d
  GROUP BY d.meter_id, d.period_id
) q
CROSS JOIN (
  SELECT coalesce(b.customer_id, (SELECT a.customer_id FROM agents a WHERE a.id = b.agent_id)) AS customer_id
) paying
JOIN meters meter ON meter.id = q.meter_id
JOIN periods priced_in ON priced_in.id = q.period_id
LEFT JOIN LATERAL ${priceOfPeriod("meter.id", "priced_in.starts_at", "priced_in.ends_at", "paying.customer_id")} priced ON true
WHERE b.amount_limit IS NOT NULL AND (q.recorded > 0 OR q.held > 0 OR priced_in.status = 'open')`;

/**
 * Budgets with what is used of each in the window that runs at `$1`. What was recorded comes from the totals that are
 * kept as events arrive. A customer's budget counts what was recorded for the customer, and the holds of the agents that
 * belong to it now: for it they will be recorded.
 *
 * @param source selects rows of all budgets.
 * @param further more columns of them.
 */
export const selectUse = (source: string, further = "") => `
SELECT b.id, b.environment_id, b.agent_id, b.customer_id,${further} m.name AS meter_name, b.budget_window,
  b.quantity_limit, b.amount_limit::text AS amount_limit, coalesce(period.currency, e.currency, a.currency) AS currency,
  b.warn_at_percent, b.enforced, m.max_quantity_per_call, b.warned_window, b.exceeded_window, b.created_at, b.updated_at,
  CASE b.budget_window WHEN 'day' THEN clock.today::text WHEN 'period' THEN period.id::text ELSE 'total' END AS window_key,
  CASE b.budget_window WHEN 'day' THEN clock.tomorrow WHEN 'period' THEN coalesce(period.ends_at, clock.next_month) END
    AS resets_at,
  recorded.quantity::text AS recorded, held.quantity::text AS held, spent.meters
FROM (${source}) b
LEFT JOIN meters m ON m.id = b.meter_id
${joinClock("b.environment_id")}
CROSS JOIN LATERAL (
  SELECT coalesce(sum(t.quantity), 0) AS quantity FROM (${TOTALS}) t
  WHERE t.meter_id = b.meter_id
    AND CASE b.budget_window WHEN 'day' THEN t.day = clock.today WHEN 'period' THEN t.period_id = period.id ELSE true END
) recorded
CROSS JOIN LATERAL (
  SELECT coalesce(sum(r.quantity), 0) AS quantity FROM (${HOLDS}) r WHERE r.meter_id = b.meter_id
) held
CROSS JOIN LATERAL (${METERS}) spent`;

/** Converts a row. */
export function toUse(row: BudgetRow): BudgetUse {
  const base = {
    id: row.id,
    environmentId: row.environment_id,
    agentId: row.agent_id,
    customerId: row.customer_id,
    window: row.budget_window,
    warnAtPercent: row.warn_at_percent,
    enforced: row.enforced,
    windowKey: row.window_key,
    resetsAt: row.resets_at,
    warnedWindow: row.warned_window,
    exceededWindow: row.exceeded_window,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
  const { quantity_limit: limit, amount_limit: amount, meter_name: meterName } = row;
  if (amount !== null) {
    const meters = (row.meters ?? []).map((use) => ({
      ...use,
      before: BigInt(use.before),
      recorded: BigInt(use.recorded),
      held: BigInt(use.held),
      days:
        use.days &&
        Object.fromEntries(Object.entries(use.days).map(([day, quantity]) => [day, BigInt(quantity)])),
    }));
    return { ...base, kind: "money", meterName, limit: amount, currency: row.currency, meters };
  }
  if (limit === null || meterName === null || row.max_quantity_per_call === null) {
    throw new Error("a budget in units has a limit and a meter");
  }
  return {
    ...base,
    kind: "units",
    meterName,
    limit,
    maxQuantityPerCall: row.max_quantity_per_call,
    recorded: toQuantity(row.recorded),
    held: toQuantity(row.held),
  };
}

/** A sum of many totals may pass what a number holds exactly. Every limit is smaller, so it is over in any case. */
function toQuantity(sum: string): number {
  return BigInt(sum) > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : exactInteger(sum);
}

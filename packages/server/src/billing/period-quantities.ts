import { termsOfPeriod } from "./terms-of-period.ts";

/**
 * The quantities that a period bills of each payer and meter, as a subquery: usage, adjustments and what was carried over from the
 * period before, never below zero. `carried_over` is the rest, zero or less, and
 * `used + adjusted + carried_in = quantity + carried_over`. Invoices, totals and checks all read it here.
 */
export const quantitiesOfPeriod = (periodId: string) => `(
  SELECT customer_id, meter_id, sum(used) AS used, sum(adjusted) AS adjusted, sum(carried_in) AS carried_in,
    greatest(sum(used) + sum(adjusted) + sum(carried_in), 0) AS quantity,
    least(sum(used) + sum(adjusted) + sum(carried_in), 0) AS carried_over,
    sum(event_count) AS event_count, bool_or(is_usage) AS has_usage
  FROM (
    SELECT customer_id, meter_id, quantity::numeric AS used, 0::numeric AS adjusted, 0::numeric AS carried_in,
      event_count, true AS is_usage
    FROM usage_totals WHERE period_id = ${periodId}
    UNION ALL
    SELECT customer_id, meter_id, 0::numeric, quantity::numeric, 0::numeric, 0::bigint, false
    FROM adjustments WHERE period_id = ${periodId}
    UNION ALL
    SELECT customer_id, meter_id, 0::numeric, 0::numeric, quantity, 0::bigint, false
    FROM carried_adjustments WHERE period_id = ${periodId}
  ) parts
  GROUP BY customer_id, meter_id
)`;

/**
 * A condition on {@link quantitiesOfPeriod}: whether the payer's invoice has a line of the meter. Adjustments without
 * usage that take away make none, and are carried over.
 */
export const HAS_LINE = "(q.has_usage OR q.quantity > 0)";

/**
 * The payers of a period whose invoices have a line or a minimum, as a subquery; each may be in it several times. It finds
 * the first one without summing up all usage: where there is none of a meter, adjustments alone decide.
 */
export const payersOfPeriod = (periodId: string) => `(
  SELECT customer_id FROM usage_totals WHERE period_id = ${periodId}
  UNION ALL
  SELECT customer_id FROM (
    SELECT customer_id, meter_id, quantity::numeric AS quantity FROM adjustments WHERE period_id = ${periodId}
    UNION ALL
    SELECT customer_id, meter_id, quantity FROM carried_adjustments WHERE period_id = ${periodId}
  ) corrected
  GROUP BY customer_id, meter_id HAVING sum(quantity) > 0
  UNION ALL
  SELECT customer_id FROM ${termsOfPeriod(periodId)} agreed WHERE kind = 'minimum'
)`;

/** The parts of a summed quantity, as the database writes them. */
export interface QuantityRow {
  readonly quantity: string;
  readonly used: string;
  readonly adjusted: string;
  readonly carried_in: string;
  readonly carried_over: string;
}

/** The parts of a quantity that adjustments have changed: whole numbers as text. */
export interface QuantityParts {
  readonly used: string;
  readonly adjusted: string;
  readonly carriedIn: string;
  readonly carriedOver: string;
}

/** The columns of a {@link QuantityRow}, summed over whatever the query groups by. */
export const SUMMED_PARTS = `sum(q.quantity)::text AS quantity, sum(q.used)::text AS used,
  sum(q.adjusted)::text AS adjusted, sum(q.carried_in)::text AS carried_in, sum(q.carried_over)::text AS carried_over`;

/** The parts of a quantity; undefined where adjustments do not concern it, and it is what was used. */
export function partsOf(row: QuantityRow): QuantityParts | undefined {
  const { used, adjusted, carried_in: carriedIn, carried_over: carriedOver } = row;
  // What one payer's adjustments take away may be as much as another's add: then what is carried over tells.
  if (adjusted === "0" && carriedIn === "0" && carriedOver === "0") return undefined;
  return { used, adjusted, carriedIn, carriedOver };
}

/** The parts of a quantity in words: `100 used, -30 adjusted`. */
export function shownParts({ used, adjusted, carriedIn, carriedOver }: QuantityParts): string {
  const parts = [
    `${used} used`,
    ...(adjusted === "0" ? [] : [`${adjusted} adjusted`]),
    ...(carriedIn === "0" ? [] : [`${carriedIn} carried in`]),
    ...(carriedOver === "0" ? [] : [`${carriedOver} carried over`]),
  ];
  return parts.join(", ");
}

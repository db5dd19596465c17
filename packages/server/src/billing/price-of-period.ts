/** SQL of the price that a table has last before a moment, or at it. Of two with the same moment, the one set later. */
const lastIn = (table: string, moment: string, condition: string) => `(
  SELECT id, price FROM ${table} WHERE ${condition} AND effective_from <= ${moment}
  ORDER BY effective_from DESC, id DESC LIMIT 1
)`;

/** No customer: the account's price alone. */
const NOBODY = "NULL::uuid";

/**
 * The price of a meter that is in effect at a moment, as a subquery of one row: a customer's own or, where it has none,
 * the account's. `id` is the row that says so: that of a customer's own price that has ended, too. It is null where
 * there is none, and `is_own` says whether it is the customer's.
 *
 * @param customerId SQL of the customer's id; null for the account itself.
 */
export const priceFrom = (meterId: string, moment: string, customerId = NOBODY) => `(
  SELECT coalesce(own.id, general.id) AS id, coalesce(own.price, general.price) AS price,
    own.price IS NOT NULL AS is_own
  FROM (VALUES (1)) one
  LEFT JOIN ${lastIn("customer_prices", moment, `meter_id = ${meterId} AND customer_id = ${customerId}`)} own ON true
  LEFT JOIN ${lastIn("meter_prices", moment, `meter_id = ${meterId}`)} general ON true
)`;

/** SQL of the first moment between the bounds, without them, at which a price takes effect. */
const firstBetween = (meterId: string, startsAt: string, endsAt: string, customerId: string) => `(
  SELECT min(effective_from) FROM (
    SELECT effective_from FROM meter_prices WHERE meter_id = ${meterId}
    UNION ALL
    SELECT effective_from FROM customer_prices
    WHERE meter_id = ${meterId} AND customer_id = ${customerId} AND price IS NOT NULL
  ) begun
  WHERE effective_from > ${startsAt} AND effective_from < ${endsAt}
)`;

/**
 * The price of a meter in a period, as a subquery of at most one row, as {@link priceFrom} has it: the one in effect when
 * the period starts or, where there was none yet, the first that takes effect before it ends. Invoices bill by it, and
 * meters and prices are answered by it, so that all three say the same.
 *
 * @param customerId SQL of the customer's id, whose own price goes before the account's; null for the account itself.
 */
export const priceOfPeriod = (meterId: string, startsAt: string, endsAt: string, customerId = NOBODY) => `(
  SELECT id, price, is_own FROM (
    SELECT 1 AS turn, at_start.* FROM ${priceFrom(meterId, startsAt, customerId)} at_start
    UNION ALL
    SELECT 2 AS turn, begun.* FROM ${priceFrom(meterId, firstBetween(meterId, startsAt, endsAt, customerId), customerId)} begun
  ) turns
  WHERE id IS NOT NULL ORDER BY price IS NULL, turn LIMIT 1
)`;

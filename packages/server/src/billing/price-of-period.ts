/**
 * The price of a meter in a period, as a subquery: the one in effect when it starts or, where there was none yet, the
 * first that takes effect before it ends. Of two with the same moment, the one set later counts. Invoices bill by it,
 * and meters and prices are answered by it, so that all three say the same.
 */
export const priceOfPeriod = (meterId: string, startsAt: string, endsAt: string) => `(
  SELECT mp.id, mp.price FROM meter_prices mp
  WHERE mp.meter_id = ${meterId} AND mp.effective_from < ${endsAt}
  ORDER BY mp.effective_from <= ${startsAt} DESC,
           CASE WHEN mp.effective_from <= ${startsAt} THEN mp.effective_from END DESC,
           mp.effective_from, mp.id DESC
  LIMIT 1
)`;

/** The price with which the period begins that follows on a moment. */
export const priceFrom = (meterId: string, moment: string) => `(
  SELECT mp.id, mp.price FROM meter_prices mp WHERE mp.meter_id = ${meterId} AND mp.effective_from <= ${moment}
  ORDER BY mp.effective_from DESC, mp.id DESC LIMIT 1
)`;

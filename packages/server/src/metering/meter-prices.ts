import type { ListMeterPricesQuery, MeterPrice, Price, SetMeterPrice } from "@licentric/contract";
import type { z } from "zod";
import { periodAt } from "../billing/period-bounds.ts";
import { priceFrom, priceOfPeriod } from "../billing/price-of-period.ts";
import { getCustomer } from "../customers/customers.ts";
import { notFound } from "../http/api-error.ts";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";

interface PriceRow {
  id: string;
  meter_id: string;
  customer_id: string | null;
  price: Price | null;
  effective_from: Date;
  billed_from: Date | null;
  created_at: Date;
}

/** The account's prices and those of customers, in one list; `$1` is the environment. */
const SELECT_PRICE = `
SELECT p.id, p.meter_id, p.customer_id, p.price, p.effective_from, p.created_at,
  CASE WHEN billed.id = p.id THEN at.starts_at WHEN next.id = p.id THEN at.ends_at END AS billed_from
FROM (
  SELECT id, environment_id, meter_id, NULL::uuid AS customer_id, price, effective_from, created_at FROM meter_prices
  WHERE environment_id = $1
  UNION ALL
  SELECT id, environment_id, meter_id, customer_id, price, effective_from, created_at FROM customer_prices
  WHERE environment_id = $1
) p
CROSS JOIN LATERAL ${periodAt("p.environment_id", "p.effective_from")} at
LEFT JOIN LATERAL ${priceOfPeriod("p.meter_id", "at.starts_at", "at.ends_at", "p.customer_id")} billed ON true
LEFT JOIN LATERAL ${priceFrom("p.meter_id", "at.ends_at", "p.customer_id")} next ON true`;

function toMeterPrice(row: PriceRow): MeterPrice {
  return {
    id: row.id,
    meterId: row.meter_id,
    customerId: row.customer_id,
    price: row.price,
    effectiveFrom: row.effective_from.toISOString(),
    billedFrom: row.billed_from?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  };
}

interface Making {
  readonly newId: () => string;
  readonly now: Date;
}

/**
 * Sets a meter's price, for everybody or for one customer, from a moment on; prices are never changed, the next one takes
 * over. A customer whose own price is set to null pays the account's price again.
 *
 * @throws {ApiError} `NOT_FOUND` for the meter or the customer.
 */
export async function setMeterPrice(
  tx: Queryable,
  environmentId: string,
  meterId: string,
  { price, effectiveFrom, customerId }: z.output<typeof SetMeterPrice>,
  { newId, now }: Making,
): Promise<MeterPrice> {
  const id = newId();
  if (customerId !== undefined) await getCustomer(tx, environmentId, customerId);
  const values = [
    id,
    environmentId,
    uuidParam(meterId),
    price === null ? null : JSON.stringify(price),
    effectiveFrom === undefined ? now : new Date(effectiveFrom),
    now,
  ];
  const set =
    customerId === undefined
      ? await tx.query(
          `INSERT INTO meter_prices (id, environment_id, meter_id, price, effective_from, created_at)
           SELECT $1, m.environment_id, m.id, $4::jsonb, $5, $6 FROM meters m
           WHERE m.environment_id = $2 AND m.id = $3 RETURNING id`,
          values,
        )
      : await tx.query(
          `INSERT INTO customer_prices
             (id, environment_id, meter_id, price, effective_from, created_at, customer_id)
           SELECT $1, m.environment_id, m.id, $4::jsonb, $5, $6, $7::uuid FROM meters m
           WHERE m.environment_id = $2 AND m.id = $3 RETURNING id`,
          [...values, customerId],
        );
  if (set.length === 0) throw notFound("meter", meterId);
  return toMeterPrice(
    onlyRow(await tx.query<PriceRow>(`${SELECT_PRICE} WHERE p.id = $2`, [environmentId, id])),
  );
}

/**
 * Lists a meter's prices, newest first: the account's and customers' own, or those of one customer.
 *
 * @throws {ApiError} `NOT_FOUND` where there is no such meter.
 */
export async function listMeterPrices(
  db: Queryable,
  environmentId: string,
  meterId: string,
  { customerId, ...query }: z.output<typeof ListMeterPricesQuery>,
): Promise<Page<MeterPrice>> {
  const page = pageRequest(query);
  const meter = uuidParam(meterId);
  const found = await db.query("SELECT 1 FROM meters WHERE environment_id = $1 AND id = $2", [
    environmentId,
    meter,
  ]);
  if (found.length === 0) throw notFound("meter", meterId);
  return readPage(
    page,
    (limit) =>
      db.query<PriceRow>(
        `${SELECT_PRICE}
         WHERE p.meter_id = $2 AND ($3::uuid IS NULL OR p.id < $3) AND ($4::uuid IS NULL OR p.customer_id = $4)
         ORDER BY p.id DESC LIMIT $5`,
        [environmentId, meter, page.cursor, customerId === undefined ? null : uuidParam(customerId), limit],
      ),
    toMeterPrice,
  );
}

import {
  type CreateMeter,
  DEFAULT_MAX_QUANTITY_PER_CALL,
  type ListMetersQuery,
  type Meter,
  type MeterPrice,
  type Price,
  type SetMeterPrice,
  type UpdateMeter,
} from "@licentric/contract";
import type { z } from "zod";
import { periodAt } from "../billing/period-bounds.ts";
import { priceFrom, priceOfPeriod } from "../billing/price-of-period.ts";
import { ApiError, notFound } from "../http/api-error.ts";
import { type Page, type PageRequest, pageRequest, readPage } from "../http/page.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";

interface MeterRow {
  id: string;
  name: string;
  display_name: string;
  unit: string;
  price: Price | null;
  max_quantity_per_call: number;
  next_price: Price | null;
  next_from: Date;
  metadata: Record<string, string>;
  created_at: Date;
  updated_at: Date;
}

const SELECT_METER = `
SELECT m.id, m.name, m.display_name, m.unit, m.max_quantity_per_call, m.metadata, m.created_at, m.updated_at, billed.price,
  CASE WHEN next.id IS DISTINCT FROM billed.id THEN next.price END AS next_price, running.ends_at AS next_from
FROM meters m
CROSS JOIN LATERAL ${periodAt("m.environment_id", "$2::timestamptz")} running
LEFT JOIN LATERAL ${priceOfPeriod("m.id", "running.starts_at", "running.ends_at")} billed ON true
LEFT JOIN LATERAL ${priceFrom("m.id", "running.ends_at")} next ON true
WHERE m.environment_id = $1`;

function toMeter(row: MeterRow): Meter {
  return {
    id: row.id,
    name: row.name,
    displayName: row.display_name,
    unit: row.unit,
    price: row.price,
    maxQuantityPerCall: row.max_quantity_per_call,
    nextPrice:
      row.next_price === null ? null : { price: row.next_price, billedFrom: row.next_from.toISOString() },
    metadata: row.metadata,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

interface Making {
  readonly newId: () => string;
  readonly now: Date;
}

/** @throws {ApiError} `CONFLICT` when the environment has a meter of this name. */
export async function createMeter(
  tx: Queryable,
  environmentId: string,
  {
    name,
    displayName = name,
    unit = "unit",
    price,
    maxQuantityPerCall = DEFAULT_MAX_QUANTITY_PER_CALL,
    metadata = {},
  }: z.output<typeof CreateMeter>,
  { newId, now }: Making,
): Promise<Meter> {
  const id = newId();
  const made = await tx.query(
    `INSERT INTO meters
       (id, environment_id, name, display_name, unit, max_quantity_per_call, metadata, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $8) ON CONFLICT (environment_id, name) DO NOTHING RETURNING id`,
    [id, environmentId, name, displayName, unit, maxQuantityPerCall, JSON.stringify(metadata), now],
  );
  if (made.length === 0) {
    throw new ApiError("CONFLICT", `There is a meter "${name}" already. Use it, or choose another name.`);
  }
  if (price !== undefined) await setMeterPrice(tx, environmentId, id, { price }, { newId, now });
  return getMeter(tx, environmentId, id, now);
}

/** Reads a meter with the price that the running period is billed by. */
export async function getMeter(db: Queryable, environmentId: string, id: string, now: Date): Promise<Meter> {
  const rows = await db.query<MeterRow>(`${SELECT_METER} AND m.id = $3`, [environmentId, now, uuidParam(id)]);
  if (rows.length === 0) throw notFound("meter", id);
  return toMeter(onlyRow(rows));
}

/** Lists meters, newest first. */
export function listMeters(
  db: Queryable,
  environmentId: string,
  query: z.output<typeof ListMetersQuery>,
  now: Date,
): Promise<Page<Meter>> {
  const page = pageRequest(query);
  return readPage(
    page,
    (limit) =>
      db.query<MeterRow>(
        `${SELECT_METER} AND ($3::uuid IS NULL OR m.id < $3) AND ($4::text IS NULL OR m.name = $4)
         ORDER BY m.id DESC LIMIT $5`,
        [environmentId, now, page.cursor, query.name ?? null, limit],
      ),
    toMeter,
  );
}

/** Changes what a meter is called on invoices, and what one call may use of it. */
export async function updateMeter(
  tx: Queryable,
  environmentId: string,
  id: string,
  change: z.output<typeof UpdateMeter>,
  now: Date,
): Promise<Meter> {
  await tx.query(
    `UPDATE meters SET display_name = coalesce($3, display_name), unit = coalesce($4, unit),
       metadata = coalesce($5::jsonb, metadata), max_quantity_per_call = coalesce($6, max_quantity_per_call),
       updated_at = $7
     WHERE environment_id = $1 AND id = $2`,
    [
      environmentId,
      uuidParam(id),
      change.displayName ?? null,
      change.unit ?? null,
      change.metadata === undefined ? null : JSON.stringify(change.metadata),
      change.maxQuantityPerCall ?? null,
      now,
    ],
  );
  return getMeter(tx, environmentId, id, now);
}

interface PriceRow {
  id: string;
  meter_id: string;
  price: Price;
  effective_from: Date;
  billed_from: Date | null;
  created_at: Date;
}

const SELECT_PRICE = `
SELECT p.id, p.meter_id, p.price, p.effective_from, p.created_at,
  CASE WHEN billed.id = p.id THEN at.starts_at WHEN next.id = p.id THEN at.ends_at END AS billed_from
FROM meter_prices p
CROSS JOIN LATERAL ${periodAt("p.environment_id", "p.effective_from")} at
LEFT JOIN LATERAL ${priceOfPeriod("p.meter_id", "at.starts_at", "at.ends_at")} billed ON true
LEFT JOIN LATERAL ${priceFrom("p.meter_id", "at.ends_at")} next ON true
WHERE p.environment_id = $1`;

function toMeterPrice(row: PriceRow): MeterPrice {
  return {
    id: row.id,
    meterId: row.meter_id,
    price: row.price,
    effectiveFrom: row.effective_from.toISOString(),
    billedFrom: row.billed_from?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  };
}

/** Sets a meter's price from a moment on; prices are never changed, the next one takes over. */
export async function setMeterPrice(
  tx: Queryable,
  environmentId: string,
  meterId: string,
  { price, effectiveFrom }: z.output<typeof SetMeterPrice>,
  { newId, now }: Making,
): Promise<MeterPrice> {
  const id = newId();
  const set = await tx.query(
    `INSERT INTO meter_prices (id, environment_id, meter_id, price, effective_from, created_at)
     SELECT $1, m.environment_id, m.id, $4::jsonb, $5, $6 FROM meters m WHERE m.environment_id = $2 AND m.id = $3
     RETURNING id`,
    [
      id,
      environmentId,
      uuidParam(meterId),
      JSON.stringify(price),
      effectiveFrom === undefined ? now : new Date(effectiveFrom),
      now,
    ],
  );
  if (set.length === 0) throw notFound("meter", meterId);
  return toMeterPrice(
    onlyRow(await tx.query<PriceRow>(`${SELECT_PRICE} AND p.id = $2`, [environmentId, id])),
  );
}

/** Lists a meter's prices, newest first. */
export async function listMeterPrices(
  db: Queryable,
  environmentId: string,
  meterId: string,
  page: PageRequest,
  now: Date,
): Promise<Page<MeterPrice>> {
  await getMeter(db, environmentId, meterId, now);
  return readPage(
    page,
    (limit) =>
      db.query<PriceRow>(
        `${SELECT_PRICE} AND p.meter_id = $2 AND ($3::uuid IS NULL OR p.id < $3) ORDER BY p.id DESC LIMIT $4`,
        [environmentId, meterId, page.cursor, limit],
      ),
    toMeterPrice,
  );
}

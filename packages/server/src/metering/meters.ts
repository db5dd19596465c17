import {
  type CreateMeter,
  DEFAULT_MAX_QUANTITY_PER_CALL,
  type ListMetersQuery,
  type Meter,
  type Price,
  type UpdateMeter,
} from "@licentric/contract";
import type { z } from "zod";
import { periodAt } from "../billing/period-bounds.ts";
import { priceFrom, priceOfPeriod } from "../billing/price-of-period.ts";
import { ApiError, notFound } from "../http/api-error.ts";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { setMeterPrice } from "./meter-prices.ts";

interface MeterRow {
  id: string;
  name: string;
  display_name: string;
  unit: string;
  price: Price | null;
  is_own: boolean | null;
  max_quantity_per_call: number;
  next_price: Price | null;
  next_from: Date;
  metadata: Record<string, string>;
  created_at: Date;
  updated_at: Date;
}

/** Meters with the price that the running period is billed by; `$3` is the customer whose own prices count. */
const SELECT_METER = `
SELECT m.id, m.name, m.display_name, m.unit, m.max_quantity_per_call, m.metadata, m.created_at, m.updated_at, billed.price,
  billed.is_own, CASE WHEN next.id IS DISTINCT FROM billed.id THEN next.price END AS next_price, running.ends_at AS next_from
FROM meters m
CROSS JOIN LATERAL ${periodAt("m.environment_id", "$2::timestamptz")} running
LEFT JOIN LATERAL ${priceOfPeriod("m.id", "running.starts_at", "running.ends_at", "$3::uuid")} billed ON true
LEFT JOIN LATERAL ${priceFrom("m.id", "running.ends_at", "$3::uuid")} next ON true
WHERE m.environment_id = $1`;

function toMeter(row: MeterRow): Meter {
  return {
    id: row.id,
    name: row.name,
    displayName: row.display_name,
    unit: row.unit,
    price: row.price,
    ...(row.is_own && { ownPrice: true }),
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
  const rows = await db.query<MeterRow>(`${SELECT_METER} AND m.id = $4`, [
    environmentId,
    now,
    null,
    uuidParam(id),
  ]);
  if (rows.length === 0) throw notFound("meter", id);
  return toMeter(onlyRow(rows));
}

/**
 * Lists meters, newest first, with the account's prices or, of a customer, with those that it pays. For a customer who
 * does not exist there are none: the account's prices do not pass for its.
 */
export function listMeters(
  db: Queryable,
  environmentId: string,
  query: z.output<typeof ListMetersQuery>,
  now: Date,
): Promise<Page<Meter>> {
  const page = pageRequest(query);
  const customerId = query.customerId === undefined ? null : uuidParam(query.customerId);
  return readPage(
    page,
    (limit) =>
      db.query<MeterRow>(
        `${SELECT_METER} AND ($4::uuid IS NULL OR m.id < $4) AND ($5::text IS NULL OR m.name = $5)
           AND ($3::uuid IS NULL OR EXISTS (SELECT 1 FROM customers WHERE environment_id = $1 AND id = $3))
         ORDER BY m.id DESC LIMIT $6`,
        [environmentId, now, customerId, page.cursor, query.name ?? null, limit],
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

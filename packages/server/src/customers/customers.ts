import type {
  Address,
  CreateCustomer,
  Customer,
  ListCustomersQuery,
  TaxId,
  UpdateCustomer,
} from "@licentric/contract";
import type { z } from "zod";
import type { KeyCaller } from "../accounts/caller.ts";
import { notFound } from "../http/api-error.ts";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import { PAYER_ASSIGNMENTS, payerValues, readPayer, stripeStatusOf } from "../payers/payer.ts";
import { claimStripeCustomer, type StripeSays } from "../payers/stripe-owner.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";

interface CustomerRow {
  id: string;
  name: string;
  email: string | null;
  address: Address | null;
  tax_id: TaxId | null;
  stripe_customer_id: string | null;
  stripe_unsent: string[];
  stripe_missing: boolean;
  metadata: Customer["metadata"];
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = `id, name, email, address, tax_id, stripe_customer_id, stripe_unsent, stripe_missing, metadata,
  created_at, updated_at`;

function toCustomer(row: CustomerRow): Customer {
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    address: row.address,
    taxId: row.tax_id,
    stripeCustomerId: row.stripe_customer_id,
    stripeStatus: stripeStatusOf({
      stripeCustomerId: row.stripe_customer_id,
      unsent: row.stripe_unsent,
      missing: row.stripe_missing,
    }),
    metadata: row.metadata,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

/**
 * Creates a paying customer.
 *
 * @param making `owner`: what Stripe says of the Stripe customer that is named.
 * @throws {ApiError} `UNPROCESSABLE` when the Stripe customer is another payer's.
 */
export async function createCustomer(
  tx: Queryable,
  caller: Pick<KeyCaller, "environmentId" | "accountId" | "mode">,
  { name, email, address, taxId, stripeCustomerId, metadata = {} }: z.output<typeof CreateCustomer>,
  { newId, now, owner }: { newId: () => string; now: Date; owner: StripeSays },
): Promise<Customer> {
  await claimStripeCustomer(tx, { caller, payer: null, stripeCustomerId, owner });
  const rows = await tx.query<CustomerRow>(
    `INSERT INTO customers
       (id, environment_id, name, email, address, tax_id, stripe_customer_id, stripe_unsent, metadata, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7, $8, $9::jsonb, $10, $10) RETURNING ${COLUMNS}`,
    [
      newId(),
      caller.environmentId,
      name,
      email ?? null,
      address === undefined ? null : JSON.stringify(address),
      taxId === undefined ? null : JSON.stringify(taxId),
      stripeCustomerId ?? null,
      stripeCustomerId === undefined ? [] : ["link"],
      JSON.stringify(metadata),
      now,
    ],
  );
  return toCustomer(onlyRow(rows));
}

/** @throws {ApiError} `NOT_FOUND` when the environment has no such customer. */
export async function getCustomer(db: Queryable, environmentId: string, id: string): Promise<Customer> {
  const rows = await db.query<CustomerRow>(
    `SELECT ${COLUMNS} FROM customers WHERE environment_id = $1 AND id = $2`,
    [environmentId, uuidParam(id)],
  );
  if (rows.length === 0) throw notFound("customer", id);
  return toCustomer(onlyRow(rows));
}

/** Lists customers, newest first. */
export function listCustomers(
  db: Queryable,
  environmentId: string,
  query: z.output<typeof ListCustomersQuery>,
): Promise<Page<Customer>> {
  const page = pageRequest(query);
  return readPage(
    page,
    (limit) =>
      db.query<CustomerRow>(
        `SELECT ${COLUMNS} FROM customers
         WHERE environment_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::text IS NULL OR name = $3)
         ORDER BY id DESC LIMIT $4`,
        [environmentId, page.cursor, query.name ?? null, limit],
      ),
    toCustomer,
  );
}

/**
 * Changes a customer. A null takes the e-mail address or the Stripe customer away; with the next invoice another
 * one is made in Stripe.
 *
 * @param making `owner`: what Stripe says of the Stripe customer that is named.
 * @throws {ApiError} `NOT_FOUND`, or `UNPROCESSABLE` when the Stripe customer is another payer's.
 */
export async function updateCustomer(
  tx: Queryable,
  caller: Pick<KeyCaller, "environmentId" | "accountId" | "mode">,
  id: string,
  { metadata, ...change }: z.output<typeof UpdateCustomer>,
  { now, owner }: { now: Date; owner: StripeSays },
): Promise<Customer> {
  const { environmentId } = caller;
  const payer = await readPayer(tx, environmentId, id);
  await claimStripeCustomer(tx, { caller, payer, stripeCustomerId: change.stripeCustomerId, owner });
  const rows = await tx.query<CustomerRow>(
    `UPDATE customers SET ${PAYER_ASSIGNMENTS}, metadata = coalesce($13::jsonb, metadata), updated_at = $14
     WHERE environment_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [
      environmentId,
      uuidParam(id),
      ...payerValues(change),
      metadata === undefined ? null : JSON.stringify(metadata),
      now,
    ],
  );
  if (rows.length === 0) throw notFound("customer", id);
  return toCustomer(onlyRow(rows));
}

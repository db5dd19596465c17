import type { Address, StripeStatus, TaxId } from "@licentric/contract";
import { notFound } from "../http/api-error.ts";
import { type Queryable, type SqlValue, uuidParam } from "../store/database.ts";

/** Payer of an invoice: a customer, or the account itself in one mode. */
export interface Payer {
  /** The row's id: of the account itself, its environment's. */
  readonly id: string;
  readonly environmentId: string;
  /** null: the account itself. */
  readonly customerId: string | null;
  readonly name: string;
  readonly email: string | null;
  readonly address: Address | null;
  readonly taxId: TaxId | null;
  readonly stripeCustomerId: string | null;
  /** Number of times that a change of the payer set another Stripe customer, or none. */
  readonly generation: number;
  /** Fields changed here that are not in Stripe yet; `link`: the Stripe customer was not read yet. */
  readonly unsent: readonly string[];
  /** Stripe has no such customer for this account. */
  readonly missing: boolean;
}

/** The columns of a payer's row, by the table's name. */
const columns = (table: string) => `${table}.email, ${table}.address, ${table}.tax_id AS "taxId",
  ${table}.stripe_customer_id AS "stripeCustomerId", ${table}.stripe_generation AS generation,
  ${table}.stripe_unsent AS unsent, ${table}.stripe_missing AS missing`;

const OWN = `SELECT e.id, e.id AS "environmentId", NULL AS "customerId", coalesce(e.name, a.name) AS name, ${columns("e")}
FROM environments e JOIN accounts a ON a.id = e.account_id`;

const CUSTOMER = `SELECT c.id, c.environment_id AS "environmentId", c.id AS "customerId", c.name, ${columns("c")}
FROM customers c`;

/**
 * Reads a payer.
 *
 * @param customerId null: the account itself.
 * @throws {ApiError} `NOT_FOUND` when the environment has no such customer.
 */
export async function readPayer(
  db: Queryable,
  environmentId: string,
  customerId: string | null,
): Promise<Payer> {
  const [payer] =
    customerId === null
      ? await db.query<Payer>(`${OWN} WHERE e.id = $1`, [environmentId])
      : await db.query<Payer>(`${CUSTOMER} WHERE c.environment_id = $1 AND c.id = $2`, [
          environmentId,
          uuidParam(customerId),
        ]);
  if (payer === undefined) throw notFound("customer", customerId ?? environmentId);
  return payer;
}

/** Every payer of a mode's data who is that Stripe customer. */
export async function payersOfStripeCustomer(
  db: Queryable,
  stripeCustomerId: string,
  mode: string,
): Promise<Payer[]> {
  const own = await db.query<Payer>(`${OWN} WHERE e.stripe_customer_id = $1 AND e.mode = $2`, [
    stripeCustomerId,
    mode,
  ]);
  const customers = await db.query<Payer>(
    `${CUSTOMER} JOIN environments e ON e.id = c.environment_id WHERE c.stripe_customer_id = $1 AND e.mode = $2`,
    [stripeCustomerId, mode],
  );
  return [...own, ...customers];
}

/** Returns a payer's status in Stripe, as the API reports it. */
export function stripeStatusOf({
  stripeCustomerId,
  missing,
  unsent,
}: Pick<Payer, "stripeCustomerId" | "missing" | "unsent">): StripeStatus {
  if (stripeCustomerId === null) return "none";
  if (missing) return "missing";
  return unsent.length > 0 ? "pending" : "linked";
}

/** Changes to a payer. A property that is left out stays as it is; null removes the value. */
export interface PayerChange {
  readonly name?: string | undefined;
  readonly email?: string | null | undefined;
  readonly address?: Address | null | undefined;
  readonly taxId?: TaxId | null | undefined;
  readonly stripeCustomerId?: string | null | undefined;
}

/**
 * The assignments that change a payer's row, with `$3` to `$12`: {@link payerValues}. What is changed of a payer who is
 * in Stripe is noted as unsent. Another Stripe customer, or none, is another generation, of which nothing is known yet.
 */
export const PAYER_ASSIGNMENTS = `
  name = coalesce($3, name),
  email = CASE WHEN $4 THEN $5 ELSE email END,
  address = CASE WHEN $6 THEN $7::jsonb ELSE address END,
  tax_id = CASE WHEN $8 THEN $9::jsonb ELSE tax_id END,
  stripe_customer_id = CASE WHEN $10 THEN $11 ELSE stripe_customer_id END,
  stripe_generation = stripe_generation + CASE WHEN $10 AND $11 IS DISTINCT FROM stripe_customer_id THEN 1 ELSE 0 END,
  stripe_missing = stripe_missing AND NOT $10,
  stripe_unsent = CASE
    WHEN NOT $10 AND stripe_customer_id IS NULL OR $10 AND $11::text IS NULL THEN '{}'
    WHEN $10 AND $11 IS DISTINCT FROM stripe_customer_id THEN $12::text[] || '{link}'
    ELSE ARRAY(SELECT DISTINCT unnest(stripe_unsent || $12::text[]))
  END`;

/** The values of {@link PAYER_ASSIGNMENTS}. */
export function payerValues({ name, email, address, taxId, stripeCustomerId }: PayerChange): SqlValue[] {
  const given = Object.entries({ name, email, address, taxId })
    .filter(([, value]) => value !== undefined)
    .map(([field]) => field);
  return [
    name ?? null,
    email !== undefined,
    email ?? null,
    address !== undefined,
    address ? JSON.stringify(address) : null,
    taxId !== undefined,
    taxId ? JSON.stringify(taxId) : null,
    stripeCustomerId !== undefined,
    stripeCustomerId ?? null,
    given,
  ];
}

import type { Account, Address, TaxId, UpdateAccount } from "@licentric/contract";
import type { z } from "zod";
import { ApiError } from "../http/api-error.ts";
import { PAYER_ASSIGNMENTS, payerValues, readPayer, stripeStatusOf } from "../payers/payer.ts";
import { claimStripeCustomer, type StripeSays } from "../payers/stripe-owner.ts";
import { onlyRow, type Queryable } from "../store/database.ts";
import { A_TIME_ZONE, isCurrency, isTimeZone } from "./accounts.ts";
import type { KeyCaller } from "./caller.ts";

interface AccountRow {
  id: string;
  name: string;
  email: string | null;
  address: Address | null;
  tax_id: TaxId | null;
  currency: string;
  time_zone: string;
  stripe_customer_id: string | null;
  stripe_unsent: string[];
  stripe_missing: boolean;
  payment_instructions: string | null;
  created_at: Date;
  updated_at: Date;
}

/** Reads the account in one mode. */
export async function getAccount(db: Queryable, environmentId: string): Promise<Account> {
  const row = onlyRow(
    await db.query<AccountRow>(
      `SELECT a.id, coalesce(e.name, a.name) AS name, e.email, e.address, e.tax_id,
         coalesce(e.currency, a.currency) AS currency, coalesce(e.time_zone, a.time_zone) AS time_zone,
         e.stripe_customer_id, e.stripe_unsent, e.stripe_missing, e.payment_instructions, a.created_at,
         coalesce(e.updated_at, a.created_at) AS updated_at
       FROM environments e JOIN accounts a ON a.id = e.account_id WHERE e.id = $1`,
      [environmentId],
    ),
  );
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    address: row.address,
    taxId: row.tax_id,
    currency: row.currency,
    timeZone: row.time_zone,
    stripeCustomerId: row.stripe_customer_id,
    stripeStatus: stripeStatusOf({
      stripeCustomerId: row.stripe_customer_id,
      unsent: row.stripe_unsent,
      missing: row.stripe_missing,
    }),
    paymentInstructions: row.payment_instructions,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

/**
 * Changes the account in one mode. Periods that have begun keep their currency and their time zone.
 *
 * @param making `owner`: what Stripe says of the Stripe customer that is named.
 * @throws {ApiError} `VALIDATION_ERROR` when the currency or the time zone does not exist, `UNPROCESSABLE` when the Stripe
 * customer is another payer's.
 */
export async function updateAccount(
  tx: Queryable,
  caller: Pick<KeyCaller, "environmentId" | "accountId" | "mode">,
  change: z.output<typeof UpdateAccount>,
  { now, owner }: { now: Date; owner: StripeSays },
): Promise<Account> {
  const { environmentId } = caller;
  const { currency, timeZone, stripeCustomerId, paymentInstructions } = change;
  if (currency !== undefined && !isCurrency(currency)) {
    throw new ApiError("VALIDATION_ERROR", `currency: "${currency}" is not an ISO 4217 currency.`);
  }
  if (timeZone !== undefined && !(await isTimeZone(tx, timeZone))) {
    throw new ApiError("VALIDATION_ERROR", `timeZone: "${timeZone}" is not ${A_TIME_ZONE}`);
  }
  const payer = await readPayer(tx, environmentId, null);
  await claimStripeCustomer(tx, { caller, payer, stripeCustomerId, owner });
  // The lock keeps a period from beginning between here and the change.
  await tx.query("SELECT 1 FROM environments WHERE id = $1 FOR NO KEY UPDATE", [environmentId]);
  if (currency !== undefined || timeZone !== undefined) {
    await tx.query(
      `UPDATE periods p SET currency = coalesce(p.currency, e.currency, a.currency),
         time_zone = coalesce(p.time_zone, e.time_zone, a.time_zone)
       FROM environments e JOIN accounts a ON a.id = e.account_id
       WHERE p.environment_id = $1 AND e.id = $1 AND (p.currency IS NULL OR p.time_zone IS NULL)`,
      [environmentId],
    );
  }
  await tx.query(
    `UPDATE environments SET ${PAYER_ASSIGNMENTS}, updated_at = $2,
       currency = coalesce($13, currency), time_zone = coalesce($14, time_zone),
       payment_instructions = CASE WHEN $15 THEN $16 ELSE payment_instructions END
     WHERE id = $1`,
    [
      environmentId,
      now,
      ...payerValues(change),
      currency ?? null,
      timeZone ?? null,
      paymentInstructions !== undefined,
      paymentInstructions ?? null,
    ],
  );
  return getAccount(tx, environmentId);
}

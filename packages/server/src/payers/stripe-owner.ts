import type { KeyCaller } from "../accounts/caller.ts";
import { ApiError } from "../http/api-error.ts";
import type { Queryable } from "../store/database.ts";
import { type Payer, payersOfStripeCustomer } from "./payer.ts";

/** Owner of a Stripe customer, as named by the metadata that we write when it is made or linked. */
export interface StripeOwner {
  readonly accountId: string | undefined;
  readonly payerId: string | undefined;
  /** The payer's generation when it became his. */
  readonly generation: string;
}

/** Stripe's answer about a customer's owner; null where there is nobody to ask, or no such customer. */
export type StripeSays = StripeOwner | "unanswered" | null;

/** Reads whose a Stripe customer is. */
export function stripeOwnerOf(metadata: Readonly<Record<string, string>>): StripeOwner {
  return {
    accountId: metadata["licentric_account_id"],
    payerId: metadata["licentric_payer_id"],
    generation: metadata["licentric_payer_generation"] ?? "0",
  };
}

/** Returns the metadata that say that a Stripe customer is a payer's. */
export function stripeOwnerMetadata(accountId: string, { id, generation }: Pick<Payer, "id" | "generation">) {
  return {
    licentric_account_id: accountId,
    licentric_payer_id: id,
    licentric_payer_generation: String(generation),
  };
}

/** A payer who is to be linked to a Stripe customer. */
export interface Linking {
  readonly caller: Pick<KeyCaller, "environmentId" | "accountId" | "mode">;
  /** null: he is only being created. */
  readonly payer: Pick<Payer, "id" | "stripeCustomerId"> | null;
  readonly stripeCustomerId: string | null | undefined;
  readonly owner: StripeSays;
}

/**
 * Claims a Stripe customer for a payer until the transaction ends. Of several who link it at once, in whatever process,
 * the first one has it, but none of another account where Stripe says that it is this one's: its link was never Stripe's.
 *
 * @throws {ApiError} `UNPROCESSABLE` where another payer holds it, of this account or another one; `UNAVAILABLE` where
 * that is Stripe's to say, and it does not answer.
 */
export async function claimStripeCustomer(
  tx: Queryable,
  { caller, payer, stripeCustomerId, owner }: Linking,
): Promise<void> {
  if (stripeCustomerId === null || stripeCustomerId === undefined) return;
  if (payer?.stripeCustomerId === stripeCustomerId) return;
  await tx.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [
    `stripe customer ${caller.mode} ${stripeCustomerId}`,
  ]);
  const holders = await payersOfStripeCustomer(tx, stripeCustomerId, caller.mode);
  const known = owner === "unanswered" ? null : owner;
  const own = holders.filter(({ environmentId }) => environmentId === caller.environmentId);
  const rivals = known?.accountId === caller.accountId ? own : holders;
  const named = known !== null && (await namesAnother(tx, known, caller.accountId, payer?.id));
  if (rivals.length === 0 && !named) return;
  if (owner === "unanswered" && own.length === 0) {
    throw new ApiError(
      "UNAVAILABLE",
      `Stripe does not answer whose the Stripe customer "${stripeCustomerId}" is. Nothing was changed. Repeat the request.`,
      { stripeCustomerId },
    );
  }
  throw new ApiError(
    "UNPROCESSABLE",
    `The Stripe customer "${stripeCustomerId}" is another payer's, and one Stripe customer pays for one payer. Nothing was changed. Name another one, or set stripeCustomerId to null (or leave it out) to have one made with the next invoice. If it is yours, take it off your other payer first, or remove "licentric_account_id" and "licentric_payer_id" from its metadata in Stripe.`,
    { rule: "stripe_customer_taken", stripeCustomerId },
  );
}

/**
 * Checks whether the metadata name another account, or another payer of this one who was not taken off the
 * Stripe customer since.
 */
async function namesAnother(
  db: Queryable,
  { accountId, payerId, generation }: StripeOwner,
  ownAccountId: string,
  ownId: string | undefined,
): Promise<boolean> {
  if (accountId !== undefined && accountId !== ownAccountId) return true;
  if (payerId === undefined || payerId === ownId) return false;
  const holding = await db.query(
    `SELECT 1 FROM environments WHERE id::text = $1 AND stripe_generation::text = $2
     UNION ALL SELECT 1 FROM customers WHERE id::text = $1 AND stripe_generation::text = $2`,
    [payerId, generation],
  );
  return holding.length > 0;
}

/**
 * Checks whether the Stripe customer that a payer names is the payer's own to read and change. One that was
 * linked by a server of an earlier version has no metadata of ours: where payers of several accounts hold it,
 * it belongs to nobody until its metadata name its owner.
 */
export async function isOwnStripeCustomer(
  db: Queryable,
  payer: Payer,
  owner: StripeOwner,
  accountId: string,
): Promise<boolean> {
  if (owner.accountId === accountId && owner.payerId === payer.id) return true;
  const justLinked = payer.unsent.includes("link");
  if (owner.accountId !== undefined && !justLinked) return owner.accountId === accountId;
  if (justLinked && (await namesAnother(db, owner, accountId, payer.id))) return false;
  const isRival = ({ id, environmentId }: Payer) =>
    id !== payer.id && (owner.accountId !== accountId || environmentId === payer.environmentId);
  const others = (await payersBeside(db, payer)).filter(isRival);
  return justLinked
    ? others.length === 0
    : others.every(({ environmentId }) => environmentId === payer.environmentId);
}

/** Every payer of the same mode who is the same Stripe customer. */
async function payersBeside(db: Queryable, { environmentId, stripeCustomerId }: Payer): Promise<Payer[]> {
  const [environment] = await db.query<{ mode: string }>("SELECT mode FROM environments WHERE id = $1", [
    environmentId,
  ]);
  return payersOfStripeCustomer(db, stripeCustomerId ?? "", environment?.mode ?? "");
}

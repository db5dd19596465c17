import { isDeepStrictEqual } from "node:util";
import type { Address, TaxId } from "@licentric/contract";
import type Stripe from "stripe";
import { recordSystemChange } from "../audit/audit-events.ts";
import { type Payer, readPayer } from "../payers/payer.ts";
import { isOwnStripeCustomer, stripeOwnerMetadata, stripeOwnerOf } from "../payers/stripe-owner.ts";
import type { Services } from "../services.ts";
import type { Queryable } from "../store/database.ts";
import { isMissing } from "./stripe.ts";

/** Context for keeping a payer in sync with Stripe. */
export interface Syncing {
  readonly services: Pick<Services, "db" | "now" | "newId">;
  readonly api: Stripe;
  /** Account that the payer belongs to: a Stripe customer of another account's is not the payer's. */
  readonly accountId: string;
}

/** Data of a payer that both sides hold. The name is set by us alone. */
interface Held {
  readonly email: string | null;
  readonly address: Address | null;
  readonly taxId: TaxId | null;
}

type CustomerMembers = Stripe.CustomerUpdateParams;

const HELD = ["email", "address", "taxId"] as const;

/**
 * Brings a payer and his Stripe customer in step: what was changed here goes to Stripe, and of all else Stripe's e-mail
 * address, address and tax id are taken over. Of a Stripe customer that was only just named, what Stripe does not have
 * is filled in from here. What is equal on both sides is written on neither, so Stripe's news of our own change ends
 * here.
 *
 * @returns the payer as he is then: `missing` where Stripe has no such customer for this account.
 * @throws {Stripe.errors.StripeError} when Stripe refuses a change or cannot be reached; what was changed here is kept.
 */
export async function syncPayer(syncing: Syncing, payer: Payer): Promise<Payer> {
  const { services } = syncing;
  if (payer.stripeCustomerId === null) return payer;
  const customer = await readStripeCustomer(syncing, payer, payer.stripeCustomerId);
  if (customer === null) return markMissing(syncing, payer);
  const wanted = ours(payer, heldBy(customer, payer.taxId));
  await push(syncing, customer, payer, wanted);
  await settle(syncing, payer, wanted);
  return readPayer(services.db, payer.environmentId, payer.customerId);
}

/** The Stripe customer with its tax ids; null where there is none, or it is another payer's. */
async function readStripeCustomer(
  { services, api, accountId }: Syncing,
  payer: Payer,
  stripeCustomerId: string,
): Promise<Stripe.Customer | null> {
  const customer = await api.customers
    .retrieve(stripeCustomerId, { expand: ["tax_ids"] })
    .catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    });
  if (customer === null || customer.deleted) return null;
  const owner = stripeOwnerOf(customer.metadata);
  return (await isOwnStripeCustomer(services.db, payer, owner, accountId)) ? customer : null;
}

function heldBy(customer: Stripe.Customer, ownTaxId: TaxId | null): Held {
  const taxIds = (customer.tax_ids?.data ?? []).flatMap(({ type, value }) =>
    type === "unknown" ? [] : [{ type, value }],
  );
  const same = taxIds.find((each) => isEqual(each, ownTaxId));
  return {
    email: customer.email ?? null,
    address: fromStripeAddress(customer.address),
    taxId: same ?? taxIds[0] ?? null,
  };
}

/** Returns the data that both sides are to hold. */
function ours(payer: Payer, theirs: Held): Held {
  const justLinked = payer.unsent.includes("link");
  const pick = <Field extends keyof Held>(field: Field): Held[Field] => {
    if (payer.unsent.includes(field)) return payer[field];
    return theirs[field] === null && justLinked ? payer[field] : theirs[field];
  };
  return { email: pick("email"), address: pick("address"), taxId: pick("taxId") };
}

async function push(
  { api, accountId }: Syncing,
  customer: Stripe.Customer,
  payer: Payer,
  wanted: Held,
): Promise<void> {
  const theirs = heldBy(customer, wanted.taxId);
  const owner = stripeOwnerOf(customer.metadata);
  // Whoever links it says so in Stripe, where another server sees it, too.
  const isToClaim = owner.accountId === undefined || payer.unsent.includes("link");
  const change: Stripe.CustomerUpdateParams = {
    ...(isToClaim &&
      owner.payerId !== payer.id &&
      ({ metadata: stripeOwnerMetadata(accountId, payer) } satisfies CustomerMembers)),
    ...(payer.unsent.includes("name") &&
      payer.name !== customer.name &&
      ({ name: payer.name } satisfies CustomerMembers)),
    ...(wanted.email !== theirs.email && ({ email: wanted.email ?? "" } satisfies CustomerMembers)),
    ...(!isEqual(wanted.address, theirs.address) &&
      ({
        address: wanted.address === null ? "" : toStripeAddress(wanted.address),
      } satisfies CustomerMembers)),
  };
  if (Object.keys(change).length > 0) await api.customers.update(customer.id, change);
  if (isEqual(wanted.taxId, theirs.taxId)) return;
  const { taxId } = wanted;
  if (taxId !== null) await api.customers.createTaxId(customer.id, taxId);
  // Only the one that stood for ours goes; a customer of Stripe's may have others.
  const replaced = customer.tax_ids?.data.find((each) =>
    isEqual({ type: each.type, value: each.value }, theirs.taxId),
  );
  if (replaced !== undefined) await api.customers.deleteTaxId(customer.id, replaced.id);
}

/** Keeps what both sides hold now, unless it was changed here meanwhile: that change is unsent, and comes next. */
function settle({ services, accountId }: Syncing, payer: Payer, wanted: Held): Promise<void> {
  const { db, now, newId } = services;
  const table = tableOf(payer);
  return db.transaction(async (tx) => {
    const changed = HELD.some((field) => !isEqual(wanted[field], payer[field]));
    if (!changed && payer.unsent.length === 0 && !payer.missing) return;
    const settled = await tx.query(
      `UPDATE ${table} SET email = $7, address = $8::jsonb, tax_id = $9::jsonb, stripe_unsent = '{}',
         stripe_missing = false
       WHERE id = $1 AND stripe_customer_id = $2 AND coalesce(name, $3) = $3 AND email IS NOT DISTINCT FROM $4
         AND address IS NOT DISTINCT FROM $5::jsonb AND tax_id IS NOT DISTINCT FROM $6::jsonb RETURNING id`,
      [
        payer.id,
        payer.stripeCustomerId,
        payer.name,
        payer.email,
        json(payer.address),
        json(payer.taxId),
        wanted.email,
        json(wanted.address),
        json(wanted.taxId),
      ],
    );
    if (settled.length === 0 || !changed) return;
    await record(tx, "customer.updated", { payer, accountId }, { newId, now: now() });
  });
}

function markMissing({ services, accountId }: Syncing, payer: Payer): Promise<Payer> {
  const { db, now, newId } = services;
  const table = tableOf(payer);
  return db.transaction(async (tx) => {
    const marked = await tx.query(
      `UPDATE ${table} SET stripe_missing = true
       WHERE id = $1 AND stripe_customer_id = $2 AND NOT stripe_missing RETURNING id`,
      [payer.id, payer.stripeCustomerId],
    );
    if (marked.length > 0) await record(tx, "customer.missing", { payer, accountId }, { newId, now: now() });
    return { ...payer, missing: true };
  });
}

function record(
  tx: Queryable,
  operation: string,
  { payer, accountId }: { payer: Payer; accountId: string },
  making: { newId: () => string; now: Date },
): Promise<void> {
  const { environmentId, customerId } = payer;
  const resourceIds = [customerId ?? accountId];
  return recordSystemChange(tx, { environmentId, actor: "stripe", operation, resourceIds }, making);
}

/** Returns the table that has the payer's row. */
export function tableOf({ customerId }: Payer): "environments" | "customers" {
  return customerId === null ? "environments" : "customers";
}

/** An address as Stripe takes it. */
export function toStripeAddress({ line1, line2, city, state, postalCode, country }: Address) {
  // What is left out would stay as it is in Stripe; an empty text takes it away.
  return {
    line1: line1 ?? "",
    line2: line2 ?? "",
    city: city ?? "",
    state: state ?? "",
    postal_code: postalCode ?? "",
    country: country ?? "",
  } satisfies Stripe.AddressParam;
}

const LONGEST_LINE = 200;

function fromStripeAddress(address: Stripe.Address | null | undefined): Address | null {
  // A pair of surrogates is not cut in two: half of one is not valid Unicode, and cannot be stored.
  const cut = (text: string) =>
    text
      .slice(0, LONGEST_LINE)
      .replace(/[\uD800-\uDBFF]$/, "")
      .trim();
  const line = (text: string | null | undefined) => (text && cut(text.trim())) || undefined;
  const country = line(address?.country);
  const known = Object.entries({
    line1: line(address?.line1),
    line2: line(address?.line2),
    city: line(address?.city),
    state: line(address?.state),
    postalCode: line(address?.postal_code),
    country: country !== undefined && /^[A-Z]{2}$/.test(country) ? country : undefined,
  }).filter(([, value]) => value !== undefined);
  return known.length === 0 ? null : Object.fromEntries(known);
}

const json = (value: Address | TaxId | null) => (value === null ? null : JSON.stringify(value));

/** Checks whether both are equal; the order of their properties does not matter. */
function isEqual(left: Held[keyof Held], right: Held[keyof Held]): boolean {
  return isDeepStrictEqual(left, right);
}

import * as z from "zod";
import { PageQuery } from "./envelope.ts";
import { Address, Email, payerDetails, StripeCustomerId, StripeStatus, TaxId } from "./payers.ts";
import { DisplayName, Id, Metadata, Timestamp } from "./primitives.ts";

/** A customer, who pays for one or more agents. */
export const Customer = z.object({
  id: Id,
  name: DisplayName,
  email: payerDetails.email,
  address: payerDetails.address.optional(),
  taxId: payerDetails.taxId.optional(),
  stripeCustomerId: StripeCustomerId.nullable(),
  stripeStatus: StripeStatus.optional(),
  metadata: Metadata,
  createdAt: Timestamp,
  updatedAt: Timestamp,
});

/** A customer, who pays for one or more agents. */
export type Customer = z.infer<typeof Customer>;

/**
 * The body of `customers.create`. Without `stripeCustomerId`, a customer is made in Stripe with the first
 * invoice. Of a customer that is in Stripe already, Stripe's e-mail address, address and tax id count, and
 * ours where Stripe has none; one that another payer holds is refused.
 */
export const CreateCustomer = z.strictObject({
  name: DisplayName,
  email: Email.optional(),
  address: Address.optional(),
  taxId: TaxId.optional(),
  stripeCustomerId: StripeCustomerId.optional(),
  metadata: Metadata.optional(),
});

/**
 * The body of `customers.update`; a property left out stays as it is. A change made here is made in Stripe as
 * well.
 */
export const UpdateCustomer = z.strictObject({
  name: DisplayName.optional(),
  email: Email.nullable().optional(),
  address: Address.nullable().optional(),
  taxId: TaxId.nullable().optional(),
  stripeCustomerId: StripeCustomerId.nullable().optional(),
  metadata: Metadata.optional(),
});

/** Query parameters of the list of customers. */
export const ListCustomersQuery = PageQuery.extend({
  name: DisplayName.optional().meta({ description: "Only those with exactly this name." }),
});

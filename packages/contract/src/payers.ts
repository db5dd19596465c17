import * as z from "zod";
import { storable } from "./primitives.ts";

/** An e-mail address that invoices are sent to: whatever a browser's form accepts as one. */
export const Email = z.email({ pattern: z.regexes.html5Email }).max(320);

/** An id of Stripe's for a customer. */
export const StripeCustomerId = z
  .string()
  .regex(/^cus_\w{1,250}$/, 'a Stripe customer id begins with "cus_"');

const line = storable(z.string().trim().min(1).max(200));

/** A postal address, as it stands on invoices. */
export const Address = z.strictObject({
  line1: line.optional(),
  line2: line.optional(),
  city: line.optional(),
  state: line.optional().meta({ description: "State, county, province or region." }),
  postalCode: line.optional(),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, 'a country is an ISO 3166 code of two letters, for example "DE"')
    .optional(),
});

/** A postal address, as it stands on invoices. */
export type Address = z.infer<typeof Address>;

/** A payer's tax id, as it stands on invoices. */
export const TaxId = z.strictObject({
  type: z
    .string()
    .regex(
      /^[a-z]{2}_[a-z_]{2,20}$/,
      'a type of tax id is one of Stripe\'s, for example "eu_vat" or "us_ein"',
    )
    .meta({ description: "As Stripe names it (https://docs.stripe.com/billing/customer/tax-ids)." }),
  value: storable(z.string().trim().min(1).max(50)),
});

/** A payer's tax id, as it stands on invoices. */
export type TaxId = z.infer<typeof TaxId>;

/**
 * The details that a response has of a payer who is in Stripe or may come to be there: Stripe's e-mail
 * address and tax id are taken over, even where they would not be accepted from a caller.
 */
export const payerDetails = {
  email: z.string().nullable(),
  address: Address.nullable(),
  taxId: z.object({ type: z.string(), value: z.string() }).nullable(),
};

/** The state of a payer in Stripe. */
export const StripeStatus = z.enum(["none", "linked", "pending", "missing"]).meta({
  description:
    "`none`: no Stripe customer yet, one is made with the first invoice; `linked`: in step with Stripe; `pending`: a change made here goes to Stripe before the next invoice; `missing`: Stripe has no such customer for this account, or it is another payer's. Set `stripeCustomerId` to another one, or to null to have one made anew.",
});

/** The state of a payer in Stripe. */
export type StripeStatus = z.infer<typeof StripeStatus>;

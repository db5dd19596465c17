import * as z from "zod";
import { MAX_PAYMENT_INSTRUCTIONS_LENGTH } from "./limits.ts";
import { Address, Email, payerDetails, StripeCustomerId, StripeStatus, TaxId } from "./payers.ts";
import { Currency, DisplayName, Id, storable, Timestamp } from "./primitives.ts";

const TimeZone = storable(z.string().min(1).max(100)).meta({
  description: 'IANA name, for example "Europe/Berlin".',
});

/** The account in the key's mode: whose tools are used, and who pays for agents that belong to no customer. */
export const Account = z.object({
  id: Id,
  name: DisplayName,
  ...payerDetails,
  currency: Currency.meta({
    description: "All prices are in it. Of a period that has begun, see the period's own.",
  }),
  timeZone: TimeZone.meta({
    description: "Billing periods are months in it. Of a period that has begun, see the period's own.",
  }),
  stripeCustomerId: StripeCustomerId.nullable(),
  stripeStatus: StripeStatus,
  paymentInstructions: z.string().nullable().optional().meta({
    description: "How invoices are paid that are issued here, as it stands on them; null: nothing.",
  }),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});

/** The account in the key's mode. */
export type Account = z.infer<typeof Account>;

/**
 * The body of `account.update`; a property left out stays as it is. A new currency or time zone counts from
 * the next period on.
 */
export const UpdateAccount = z.strictObject({
  name: DisplayName.optional(),
  email: Email.nullable().optional(),
  address: Address.nullable().optional(),
  taxId: TaxId.nullable().optional(),
  currency: Currency.optional(),
  timeZone: TimeZone.optional(),
  stripeCustomerId: StripeCustomerId.nullable().optional(),
  paymentInstructions: storable(z.string().trim().min(1).max(MAX_PAYMENT_INSTRUCTIONS_LENGTH))
    .nullable()
    .optional()
    .meta({
      description: "How invoices are paid that are issued here: an account to transfer to, for example.",
    }),
});

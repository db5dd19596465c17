import * as z from "zod";
import { MAX_TERM_PERIODS } from "./limits.ts";
import { Decimal, DisplayName, Id, Money, Sum, Timestamp } from "./primitives.ts";

const isMoreThanZero = (decimal: string) => /[1-9]/.test(decimal);

/** An amount of money that is more than nothing. */
const PositiveAmount = Decimal.refine(isMoreThanZero, "must be more than 0; null ends what was agreed");

/** A part of a whole in per cent, as a decimal text. */
const Percent = Decimal.refine(
  (percent) => isMoreThanZero(percent) && Number(percent) <= 100,
  "must be more than 0 and at most 100; null ends what was agreed",
).meta({ description: 'More than 0 and at most 100, for example "12.5".' });

/**
 * The part of a customer's invoice that is taken off: so many per cent of the sum of its lines, or an amount in the
 * account's currency.
 */
export const Discount = z.discriminatedUnion("model", [
  z.strictObject({ model: z.literal("percent"), percent: Percent }),
  z.strictObject({
    model: z.literal("amount"),
    amount: PositiveAmount.meta({
      description: "In each period. Where the lines come to less, the rest is not carried over.",
    }),
  }),
]);

/** The part of a customer's invoice that is taken off. */
export type Discount = z.infer<typeof Discount>;

const agreed = {
  id: Id,
  customerId: Id,
  periods: z.int().min(1).nullable().meta({
    description: "How many periods it counts for, from the first one on; null: until another takes over.",
  }),
  effectiveFrom: Timestamp,
  billedFrom: Timestamp.nullable().meta({
    description:
      "Start of the first period that it counts for, whole. null: there is none, another takes over before.",
  }),
  createdAt: Timestamp,
};

/** A discount of a customer, with the moment from which it applies. */
export const CustomerDiscount = z.object({
  ...agreed,
  discount: Discount.nullable().meta({ description: "null: from then on the customer has none." }),
  reason: DisplayName.nullable().meta({ description: "Stands on invoices; null where the discount is." }),
});

/** A discount of a customer, with the moment from which it applies. */
export type CustomerDiscount = z.infer<typeof CustomerDiscount>;

/** The least that an invoice of a customer comes to, with the moment from which it applies. */
export const CustomerMinimum = z.object({
  ...agreed,
  minimum: Decimal.nullable().meta({ description: "null: from then on the customer has none." }),
});

/** The least that an invoice of a customer comes to, with the moment from which it applies. */
export type CustomerMinimum = z.infer<typeof CustomerMinimum>;

const periods = z
  .int()
  .min(1)
  .max(MAX_TERM_PERIODS)
  .optional()
  .meta({ description: "How many periods it counts for; until another takes over by default." });

/** The body of `customers.setDiscount`. One discount counts at a time: the next one takes over for good. */
export const SetCustomerDiscount = z
  .strictObject({
    discount: Discount.nullable().meta({ description: "null: the customer has none any more." }),
    reason: DisplayName.optional().meta({ description: "Stands on the invoice. Required with a discount." }),
    periods,
    effectiveFrom: Timestamp.optional().meta({
      description:
        "The periods that begin then or later count. By default the start of the period that takes usage now.",
    }),
  })
  .refine(({ discount, reason }) => (discount === null) === (reason === undefined), {
    path: ["reason"],
    message: "is required with a discount, for it stands on the invoice, and does not go with null",
  })
  .refine(({ discount, periods: count }) => discount !== null || count === undefined, {
    path: ["periods"],
    message: "does not go with null, which counts until another discount is set",
  });

/** The body of `customers.setMinimum`. One minimum counts at a time: the next one takes over for good. */
export const SetCustomerMinimum = z
  .strictObject({
    minimum: PositiveAmount.nullable().meta({
      description:
        "In the account's currency, for each period, with usage or without; null: the customer has none any more.",
    }),
    periods,
    effectiveFrom: Timestamp.optional().meta({
      description:
        "The periods that begin then or later count. Now by default, so that the next period is the first.",
    }),
  })
  .refine(({ minimum, periods: count }) => minimum !== null || count === undefined, {
    path: ["periods"],
    message: "does not go with null, which counts until another minimum is set",
  });

/** The properties of an invoice that discount and minimum add to its lines. */
export const invoiceTerms = {
  subtotal: Money.optional().meta({
    description: "Sum of the lines. There only where a discount or a minimum changes it.",
  }),
  discount: z
    .object({
      discountId: Id,
      discount: Discount,
      reason: z.string(),
      description: z.string().meta({ description: "The line as the payer reads it." }),
      amount: Money.meta({ description: "What it takes off the subtotal: at most all of it." }),
      amountMinor: Sum,
    })
    .optional()
    .meta({ description: "There only where it takes something off." }),
  minimum: z
    .object({
      minimumId: Id,
      minimum: Decimal,
      description: z.string().meta({ description: "The line as the payer reads it." }),
      amount: Money.meta({ description: "What it adds: total = subtotal - discount + this." }),
      amountMinor: Sum,
    })
    .optional()
    .meta({ description: "There only where the rest of the invoice comes to less." }),
};

const applied = z.object(invoiceTerms);

/** A discount as it stands on an invoice. */
export type InvoiceDiscount = NonNullable<z.infer<typeof applied>["discount"]>;

/** A minimum as it stands on an invoice. */
export type InvoiceMinimum = NonNullable<z.infer<typeof applied>["minimum"]>;

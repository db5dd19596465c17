import { z } from "zod";
import { PageQuery } from "./envelope.ts";
import {
  Currency,
  Decimal,
  DisplayName,
  Id,
  Metadata,
  MeterName,
  QuantityTotal,
  storable,
  Timestamp,
} from "./primitives.ts";

/** What one meter counted in a period. */
export const MeterTotal = z.object({
  meterName: MeterName,
  quantity: QuantityTotal,
  eventCount: QuantityTotal,
});

/** What one meter counted in a period. */
export type MeterTotal = z.infer<typeof MeterTotal>;

/** Whether a period still takes usage. */
export const PeriodStatus = z.enum(["open", "closed"]);

/** A month of usage, in the account's time zone. Of an open period the totals are those of now. */
export const BillingPeriod = z.object({
  id: Id,
  status: PeriodStatus,
  startsAt: Timestamp,
  endsAt: Timestamp.meta({ description: "First moment that no longer belongs to the period." }),
  closedAt: Timestamp.nullable(),
  currency: Currency.optional().meta({ description: "What its invoices are in." }),
  timeZone: z.string().optional().meta({ description: "IANA name of the time zone that its days are in." }),
  totals: z.array(MeterTotal).meta({ description: "One entry per meter with usage, ordered by name." }),
  createdAt: Timestamp,
});

/** A month of usage. */
export type BillingPeriod = z.infer<typeof BillingPeriod>;

/** What the hosted service promises of a period: its id. */
export const HostedBillingPeriod = BillingPeriod.partial().required({ id: true });

/** How the list of periods can be narrowed. */
export const ListPeriodsQuery = PageQuery.extend({ status: PeriodStatus.optional() });

/** One line of an invoice: one meter. */
export const InvoiceLine = z.object({
  meterName: MeterName,
  description: DisplayName,
  quantity: QuantityTotal,
  unitPrice: Decimal.nullable().meta({
    description: "Where all units have one price; null for tiers and packages.",
  }),
  amount: Decimal.meta({ description: "Rounded once, half up, to the currency's minor unit." }),
  amountMinor: QuantityTotal.meta({ description: "The same amount in the currency's minor unit (cents)." }),
});

/** One line of an invoice. */
export type InvoiceLine = z.infer<typeof InvoiceLine>;

/** `draft` until Stripe has it, then as Stripe says; without Stripe an invoice is `computed`. */
export const InvoiceStatus = z.enum([
  "computed",
  "draft",
  "open",
  "paid",
  "payment_failed",
  "void",
  "uncollectible",
]);

const invoice = {
  id: Id,
  periodId: Id,
  customerId: Id.nullable().meta({ description: "The paying customer; null: the account itself." }),
  status: InvoiceStatus,
  currency: Currency,
  lines: z.array(InvoiceLine).meta({ description: "One per meter with usage." }),
  total: Decimal,
  totalUsage: z
    .record(MeterName, QuantityTotal)
    .meta({ description: "Quantity per meter: the computed totals." }),
  credited: Decimal.optional().meta({ description: "Sum of the invoice's credit notes." }),
  metadata: Metadata,
  createdAt: Timestamp,
};

/** An invoice that Stripe has; one of a period without any usage is not sent, and has no id and no URL. */
const StripeInvoice = z.object({
  stripeConfigured: z.literal(true),
  stripeInvoiceId: z.string().nullable(),
  hostedInvoiceUrl: z.url().nullable(),
  ...invoice,
});

/** The money-math where no Stripe is connected: no invoice is sent, and the figures are the same. */
const ComputedInvoice = z.object({ stripeConfigured: z.literal(false), ...invoice });

/** What `billing.createInvoice` answers on our server. */
export const Invoice = z.discriminatedUnion("stripeConfigured", [StripeInvoice, ComputedInvoice]);

/** What `billing.createInvoice` answers on our server. */
export type Invoice = z.infer<typeof Invoice>;

/**
 * What the hosted service promises of an invoice: a hosted URL with Stripe, the computed totals without. The
 * shape of its `totalUsage` is not documented, so it is passed on unchecked.
 */
export const HostedInvoice = z.discriminatedUnion("stripeConfigured", [
  StripeInvoice.partial().required({ stripeConfigured: true, hostedInvoiceUrl: true }),
  ComputedInvoice.partial()
    .required({ stripeConfigured: true })
    .extend({ totalUsage: z.unknown().refine((usage) => usage !== undefined, "is missing") }),
]);

/** What `billing.createInvoice` takes: the customer to invoice, or nothing for the account as a whole. */
export const CreateInvoice = z.strictObject({ customerId: Id.optional(), metadata: Metadata.optional() });

/** How the list of invoices can be narrowed. */
export const ListInvoicesQuery = PageQuery.extend({ periodId: Id.optional(), customerId: Id.optional() });

/** How a credit note on a paid invoice is settled: against the next invoice, to the means of payment, or elsewhere. */
export const CreditSettlement = z.enum(["customer_balance", "refund", "out_of_band"]);

/** An amount taken back from an invoice, without changing it. */
export const CreditNote = z.object({
  id: Id,
  invoiceId: Id,
  status: z.enum(["pending", "issued", "refused"]).meta({
    description: "`pending` until Stripe has it; `refused` by Stripe: it takes nothing back.",
  }),
  currency: Currency,
  amount: Decimal,
  amountMinor: QuantityTotal,
  settlement: CreditSettlement.nullable(),
  reason: z.string().nullable(),
  memo: z.string().nullable(),
  stripeCreditNoteId: z.string().nullable(),
  createdAt: Timestamp,
});

/** An amount taken back from an invoice. */
export type CreditNote = z.infer<typeof CreditNote>;

/**
 * What `billing.createCreditNote` takes. All credit notes of an invoice together take back at most its total.
 * `settlement` is for a paid invoice, `customer_balance` by default.
 */
export const CreateCreditNote = z.strictObject({
  amount: Decimal,
  reason: z.enum(["duplicate", "fraudulent", "order_change", "product_unsatisfactory"]).optional(),
  memo: storable(z.string().trim().min(1).max(500)).optional(),
  settlement: CreditSettlement.optional(),
});

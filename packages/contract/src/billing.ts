import * as z from "zod";
import { invoiceTerms } from "./customer-terms.ts";
import { PageQuery } from "./envelope.ts";
import {
  DEFAULT_INVOICE_LINK_LIFETIME,
  MAX_INVOICE_LINK_LIFETIME,
  MAX_MEMO_LENGTH,
  MAX_PAYMENT_REFERENCE_LENGTH,
} from "./limits.ts";
import { Allowance } from "./prices.ts";
import {
  Currency,
  Decimal,
  DisplayName,
  Id,
  INEXACT_QUANTITY,
  isToldExactly,
  Metadata,
  MeterName,
  Money,
  QuantityTotal,
  Sum,
  storable,
  summedQuantity,
  Timestamp,
} from "./primitives.ts";

const WholeNumber = z.string().regex(/^(0|-?[1-9]\d*)$/);

/** The parts of a quantity that adjustments have changed, as decimal texts, exact however large they are. */
export const QuantityParts = z.object({
  used: WholeNumber.meta({ description: "Sum of the events." }),
  adjusted: WholeNumber.meta({ description: "Sum of the adjustments, negative where they take away." }),
  carriedIn: WholeNumber.meta({
    description: "What the period before took away beyond its usage, zero or negative.",
  }),
  carriedOver: WholeNumber.meta({
    description: "What is left for the next period, zero or negative.",
  }),
});

const parts = {
  parts: QuantityParts.optional().meta({
    description:
      "There only where adjustments concern it: used + adjusted + carriedIn = quantity + carriedOver.",
  }),
};

/** The quantity that a period bills of one meter: usage with its adjustments. */
export const MeterTotal = z
  .object({
    meterName: MeterName,
    ...summedQuantity,
    ...parts,
    eventCount: QuantityTotal,
  })
  .refine(isToldExactly, INEXACT_QUANTITY);

/** The quantity that a period bills of one meter: usage with its adjustments. */
export type MeterTotal = z.infer<typeof MeterTotal>;

/** The status of a period: an `open` one still takes usage, a `closed` one does not. */
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
  totals: z
    .array(MeterTotal)
    .meta({ description: "What is billed: one entry per meter with usage or adjustments, ordered by name." }),
  createdAt: Timestamp,
});

/** A month of usage. */
export type BillingPeriod = z.infer<typeof BillingPeriod>;

/** The part of a period that the hosted service promises: its id. */
export const HostedBillingPeriod = BillingPeriod.partial().required({ id: true });

/** Query parameters of the list of periods. */
export const ListPeriodsQuery = PageQuery.extend({ status: PeriodStatus.optional() });

/** The units of a line that an allowance leaves free of charge. */
export const LineAllowance = Allowance.extend({
  free: WholeNumber.meta({ description: "Units of the line that are free of charge: a decimal text." }),
});

/** One line of an invoice: one meter. */
export const InvoiceLine = z
  .object({
    meterName: MeterName,
    description: DisplayName,
    ...summedQuantity,
    ...parts,
    allowance: LineAllowance.optional().meta({
      description:
        "There only where the price has an allowance: it, and how much of the quantity it leaves free.",
    }),
    unitPrice: Decimal.nullable().meta({
      description: "Where all units have one price; null for tiers and packages.",
    }),
    ownPrice: z.literal(true).optional().meta({
      description: "There only where it is charged by the customer's own price, and not by the account's.",
    }),
    amount: Money.meta({
      description: "Rounded once, half up, to the currency's minor unit. Exact, however large it is.",
    }),
    amountMinor: Sum.meta({
      description:
        "The same amount in the currency's minor unit (cents); beyond 2^53 - 1 the nearest number, and `amount` is the exact one.",
    }),
  })
  .refine(isToldExactly, INEXACT_QUANTITY);

/** One line of an invoice. */
export type InvoiceLine = z.infer<typeof InvoiceLine>;

/**
 * `draft` until Stripe has it, then as Stripe says; without Stripe an invoice is `computed` until it is issued here, then
 * `open`.
 */
export const InvoiceStatus = z.enum([
  "computed",
  "draft",
  "open",
  "paid",
  "payment_failed",
  "void",
  "uncollectible",
]);

/** The rest of an invoice's period: what other payers owe and no invoice holds yet. */
export const UninvoicedRest = z.object({
  payers: z.int().min(1),
  currency: Currency,
  total: Money.optional().meta({
    description: "Left out where there are more than 1,000 payers: `billing.listUninvoiced` has it by payer.",
  }),
});

/** The rest of an invoice's period: what other payers owe and no invoice holds yet. */
export type UninvoicedRest = z.infer<typeof UninvoicedRest>;

/** The part of an invoice that it has once it is issued here; of one that Stripe has, Stripe's own counts. */
const document = {
  number: z.string().nullable().optional().meta({
    description:
      "For example `INV-0001`: given by `billing.issueInvoice`, without gaps in each account and mode, and kept when it is voided. Null until then, and where Stripe has the invoice, whose number is Stripe's.",
  }),
  issuedAt: Timestamp.nullable()
    .optional()
    .meta({ description: "When it was issued here; null: it is not." }),
  dueAt: Timestamp.nullable().optional().meta({
    description: "When it is to be paid, where it is issued here.",
  }),
  paidAt: Timestamp.nullable().optional().meta({
    description:
      "When it was paid, as `billing.payInvoice` said, or when Stripe's news of it came; null: it is not, or was before this was kept.",
  }),
  paymentReference: z.string().nullable().optional().meta({
    description: "What `billing.payInvoice` said of the payment; null where Stripe took it.",
  }),
};

const invoice = {
  id: Id,
  periodId: Id,
  customerId: Id.nullable().meta({ description: "The paying customer; null: the account itself." }),
  status: InvoiceStatus,
  currency: Currency,
  lines: z.array(InvoiceLine).meta({ description: "One per meter with usage." }),
  ...invoiceTerms,
  total: Money,
  totalUsage: z
    .record(MeterName, Sum)
    .meta({ description: "Quantity per meter: the computed totals, as in `lines`." }),
  credited: Money.optional().meta({ description: "Sum of the invoice's credit notes." }),
  metadata: Metadata,
  memo: z.string().nullable().optional(),
  ...document,
  notice: z.string().optional().meta({
    description:
      "What Stripe does with it in a way of its own: a total below the least charge is carried over. Of a `draft`, that somebody changed it in Stripe and finalized it there, and what to do.",
  }),
  uninvoiced: UninvoicedRest.optional().meta({
    description:
      "Of createInvoice alone: what of the period this invoice does not cover and no other does. createInvoices makes the invoices of all payers.",
  }),
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

/** The response of `billing.createInvoice` on our server. */
export const Invoice = z.discriminatedUnion("stripeConfigured", [StripeInvoice, ComputedInvoice]);

/** The response of `billing.createInvoice` on our server. */
export type Invoice = z.infer<typeof Invoice>;

/**
 * The part of an invoice that the hosted service promises: a hosted URL with Stripe, the computed totals
 * without. The shape of its `totalUsage` is not documented, so it is passed on unchecked.
 */
export const HostedInvoice = z.discriminatedUnion("stripeConfigured", [
  StripeInvoice.partial().required({ stripeConfigured: true, hostedInvoiceUrl: true }),
  ComputedInvoice.partial()
    .required({ stripeConfigured: true })
    .extend({ totalUsage: z.unknown().refine((usage) => usage !== undefined, "is missing") }),
]);

/** The way an invoice is paid: by the payer, who is sent it, or from the payer's payment method in Stripe. */
export const Collection = z.enum(["send_invoice", "charge_automatically"]);

/**
 * The terms of an invoice, whoever its payer is. Until the invoice is in Stripe they can be sent again, and
 * changed.
 */
const terms = {
  metadata: Metadata.optional().meta({
    description: "Kept with the invoice, and with Stripe's: a purchase order's number, for example.",
  }),
  collection: Collection.optional().meta({
    description:
      "`send_invoice` by default: due in `daysUntilDue` days. `charge_automatically`: Stripe charges the payer's default means of payment about an hour after it is finalized.",
  }),
  daysUntilDue: z.int().min(1).max(365).optional().meta({
    description: "30 by default; of `send_invoice` alone.",
  }),
  automaticTax: z.boolean().optional().meta({
    description: "Whether Stripe Tax adds tax. The payer needs an address with a country. False by default.",
  }),
  memo: storable(z.string().trim().min(1).max(MAX_MEMO_LENGTH)).optional().meta({
    description: "Stands on Stripe's invoice.",
  }),
};

/**
 * Returns false where an invoice that is charged automatically has `daysUntilDue`: such an invoice is never
 * due.
 */
function isDueWhereSent(said: {
  collection?: string | undefined;
  daysUntilDue?: number | undefined;
}): boolean {
  return said.collection !== "charge_automatically" || said.daysUntilDue === undefined;
}

const ONLY_WHERE_SENT = {
  path: ["daysUntilDue"],
  message: "goes with send_invoice alone: what is charged automatically is never due",
};

/**
 * The body of `billing.createInvoice`: the customer to invoice (none for the account itself), and the
 * invoice's terms.
 */
export const CreateInvoice = z
  .strictObject({ customerId: Id.optional(), ...terms })
  .refine(isDueWhereSent, ONLY_WHERE_SENT);

/** The body of `billing.createInvoices`: the terms of each invoice, and the cursor to continue from. */
export const CreateInvoices = z
  .strictObject({
    ...terms,
    cursor: Id.optional().meta({
      description: "The `nextCursor` of the answer before; the first payer by default.",
    }),
  })
  .refine(isDueWhereSent, ONLY_WHERE_SENT);

const payer = {
  customerId: Id.nullable().meta({ description: "null: the account itself." }),
  name: DisplayName,
};

/**
 * The outcome of one payer's invoice, as it stands at the time of the response, also to a repeated request.
 */
export const InvoicingOutcome = z.discriminatedUnion("status", [
  z.object({ status: z.literal("invoiced"), ...payer, invoice: Invoice }),
  z.object({
    status: z.literal("failed"),
    ...payer,
    error: z.string(),
    code: z.string(),
    details: z.record(z.string(), z.unknown()).optional(),
  }),
]);

/** The outcome of one payer's invoice. */
export type InvoicingOutcome = z.infer<typeof InvoicingOutcome>;

/** The response of `billing.createInvoices`: outcomes for as many payers as one request has time for. */
export const InvoicingResult = z.object({
  periodId: Id,
  outcomes: z.array(InvoicingOutcome).meta({ description: "Customers first, the account itself last." }),
  nextCursor: Id.nullable().meta({ description: "Where to go on; null: every payer was tried." }),
});

/** The response of `billing.createInvoices`. */
export type InvoicingResult = z.infer<typeof InvoicingResult>;

/** The charges of one payer, in a period that is over, that no invoice holds yet. */
export const UninvoicedUsage = z.object({
  periodId: Id,
  periodStatus: PeriodStatus,
  startsAt: Timestamp,
  endsAt: Timestamp,
  ...payer,
  invoiceId: Id.nullable().meta({
    description: "An invoice that is not in Stripe yet; null: there is none, or it is void.",
  }),
  currency: Currency,
  total: Money.meta({ description: "What its invoice would come to, with discount and minimum." }),
  totalUsage: z.record(MeterName, Sum).meta({
    description: "Quantity per meter; beyond 2^53 - 1 the nearest number, and `usage` is exact.",
  }),
  usage: z
    .array(
      z.object({ meterName: MeterName, ...summedQuantity, ...parts }).refine(isToldExactly, INEXACT_QUANTITY),
    )
    .meta({
      description: "The same, one item per meter, exact.",
    }),
});

/** Usage of one payer, in a period that is over, that no invoice holds yet. */
export type UninvoicedUsage = z.infer<typeof UninvoicedUsage>;

/** Query parameters of `billing.listUninvoiced`. */
export const UninvoicedQuery = PageQuery.extend({
  periodId: Id.optional(),
  cursor: Id.optional().meta({ description: "`pagination.nextCursor` of the previous page." }),
});

/**
 * The cursor of `billing.listUninvoiced`: a period, and the customer or the account itself (`own`) to
 * continue after.
 */
export const UninvoicedCursor = z.templateLiteral(
  [z.uuid(), "_", z.union([z.uuid(), z.literal("own")])],
  "is not the nextCursor of a page of this list",
);

/** Something in a period's books that is not as it must be. */
export const PeriodDifference = z.object({
  kind: z.enum(["events", "carried", "uninvoiced", "lines", "stripe"]).meta({
    description:
      "`events`: a total is not the sum of its events; `carried`: what adjustments took away beyond the usage is not what the next period was given; `uninvoiced`: usage that no invoice holds; `lines`: an invoice does not say what the totals say; `stripe`: Stripe does not say what the invoice says.",
  }),
  customerId: Id.nullable(),
  invoiceId: Id.nullable(),
  meterName: MeterName.nullable(),
  what: z.string().meta({ description: "The place, in words." }),
  expected: z.string(),
  found: z.string(),
});

/** Something in a period's books that is not as it must be. */
export type PeriodDifference = z.infer<typeof PeriodDifference>;

/** Query parameters of `billing.checkPeriod`: the `nextCursor` of the previous response. */
export const CheckPeriodQuery = z.strictObject({ cursor: Id.optional() });

/** The response of `billing.checkPeriod`: the check of as many payers as one request has time for. */
export const PeriodCheck = z.object({
  periodId: Id,
  invoices: z.int().min(0).meta({ description: "How many invoices were checked." }),
  archivedEvents: z.int().min(0).meta({
    description:
      "How many of the period's events are archived: of these the sums alone were compared, which were kept when they were exported and removed.",
  }),
  differences: z.array(PeriodDifference).meta({ description: "Empty where all is well." }),
  nextCursor: Id.nullable().meta({ description: "Where to go on; null: every payer was checked." }),
});

/** The response of `billing.checkPeriod`. */
export type PeriodCheck = z.infer<typeof PeriodCheck>;

/** Query parameters of the list of invoices. */
export const ListInvoicesQuery = PageQuery.extend({ periodId: Id.optional(), customerId: Id.optional() });

/**
 * The way a credit note on a paid invoice is settled: against the next invoice, to the payment method, or
 * elsewhere.
 */
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
 * The body of `billing.createCreditNote`. All credit notes of an invoice together take back at most its
 * total. `settlement` is for a paid invoice, `customer_balance` by default.
 */
export const CreateCreditNote = z.strictObject({
  amount: Decimal,
  reason: z.enum(["duplicate", "fraudulent", "order_change", "product_unsatisfactory"]).optional(),
  memo: storable(z.string().trim().min(1).max(MAX_MEMO_LENGTH)).optional(),
  settlement: CreditSettlement.optional(),
});

/** The body of `billing.issueInvoice`. */
export const IssueInvoice = z.strictObject({
  daysUntilDue: z.int().min(1).max(365).optional().meta({
    description: "Days until it is due; the invoice's own by default, which are 30 unless said otherwise.",
  }),
});

/** The body of `billing.payInvoice`: a payment that did not go by Stripe. */
export const PayInvoice = z.strictObject({
  reference: storable(z.string().trim().min(1).max(MAX_PAYMENT_REFERENCE_LENGTH)).meta({
    description: "What the payment is found by: a transfer's reference, a receipt's number.",
  }),
  paidAt: Timestamp.optional().meta({ description: "When it was paid, not in the future; now by default." }),
});

/** The body of `billing.createInvoiceLink`. */
export const CreateInvoiceLink = z.strictObject({
  expiresIn: z
    .int()
    .min(60)
    .max(MAX_INVOICE_LINK_LIFETIME)
    .optional()
    .meta({
      description: `Seconds for which the link opens the document; ${DEFAULT_INVOICE_LINK_LIFETIME} (30 days) by default.`,
    }),
});

/** A link that opens an invoice's document without a key. Who has it can read that invoice. */
export const InvoiceLink = z.object({
  path: z.string().meta({
    description: "Path and query, to be put behind the address at which the payer reaches this server.",
  }),
  expiresAt: Timestamp.meta({ description: "From then on it opens nothing." }),
});

/** A link that opens an invoice's document without a key. */
export type InvoiceLink = z.infer<typeof InvoiceLink>;

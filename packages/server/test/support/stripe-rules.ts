/** A refusal as Stripe words it. */
export class StripeFailure extends Error {
  readonly status: number;
  readonly body: object;
  constructor(status: number, error: { type: string; message: string; code?: string; param?: string }) {
    super(error.message);
    this.status = status;
    this.body = { error };
  }
}

/** One of Stripe's rules, and where Stripe says so. */
export interface StripeRule {
  readonly source: string;
  readonly status: 400 | 404;
  readonly code?: string;
  readonly param?: string;
  readonly message: string;
  /**
   * What of it stands on no page of Stripe's: the wording, or when it is checked. `message` is then as users of Stripe
   * report it, or in words of our own.
   */
  readonly unverified?: string;
}

/** The rules that the stand-in holds requests to. */
export const STRIPE_RULES = {
  emailForSending: {
    // "When sending an invoice, Stripe will email this invoice to the customer with payment instructions."
    source: "https://docs.stripe.com/api/invoices/create#create_invoice-collection_method",
    status: 400,
    message:
      "Missing email. In order to create invoices that are sent to the customer, the customer must have a valid email.",
    unverified: "the wording, which users report of POST /v1/invoices, and that it has no code",
  },
  daysUntilDue: {
    // "Valid only for invoices where `collection_method=send_invoice`."
    source: "https://docs.stripe.com/api/invoices/create#create_invoice-days_until_due",
    status: 400,
    param: "days_until_due",
    message:
      "You can only specify days_until_due if the invoice is created with collection_method=send_invoice.",
    unverified: "the wording",
  },
  dueDateForSending: {
    source: "https://docs.stripe.com/invoicing/integration",
    status: 400,
    message:
      "If invoice collection_method is send_invoice, you must specify either due_date or days_until_due.",
    unverified: "the wording; the guide's requests always have days_until_due",
  },
  items: {
    // "You can only add invoice items to draft invoices and there is a maximum of 250 items per invoice."
    source: "https://docs.stripe.com/changelog/2016-02-22/no-more-than-250-invoice-items",
    status: 400,
    message: "The maximum number of invoice items is 250.",
    unverified: "the wording",
  },
  mostEventTypes: {
    // "The list may contain up to 20 strings"
    source: "https://docs.stripe.com/api/events/list#list_events-types",
    status: 400,
    param: "types",
    message: "You may only specify up to 20 types.",
    unverified: "the wording",
  },
  largestAmount: {
    // "The amount value supports up to eight digits (for example, 99999999 for a USD charge of $999,999.99)."
    source: "https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts",
    status: 400,
    code: "amount_too_large",
    param: "amount",
    message: "Amount must be no more than $999,999.99",
    unverified: "that an item is held to it, and not only the charge",
  },
  largestTotal: {
    source: "https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts",
    status: 400,
    code: "amount_too_large",
    message: "Amount must be no more than $999,999.99",
    unverified: "that finalizing is refused, and not only the charge",
  },
  metadata: {
    // "You can specify up to 50 keys, with key names up to 40 characters long and values up to 500 characters long."
    source: "https://docs.stripe.com/api/metadata",
    status: 400,
    param: "metadata",
    message:
      "Metadata can have up to 50 keys, with key names up to 40 characters and values up to 500 characters.",
    unverified: "the wording",
  },
  metadataKey: {
    // "Square brackets can't be used in metadata keys."
    source: "https://docs.stripe.com/metadata",
    status: 400,
    param: "metadata",
    message: "Metadata keys cannot have square brackets.",
    unverified: "the wording",
  },
  taxLocation: {
    // "customer_tax_location_invalid"
    source: "https://docs.stripe.com/error-codes#customer-tax-location-invalid",
    status: 400,
    code: "customer_tax_location_invalid",
    param: "automatic_tax",
    message:
      "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax.",
  },
  taxBehavior: {
    // "incompatible invoice items (… `tax_behavior=unspecified`) cannot be added to automatic tax invoices."
    source: "https://docs.stripe.com/api/invoices/create#create_invoice-automatic_tax-enabled",
    status: 400,
    param: "tax_behavior",
    message: "Invoice items with tax_behavior=unspecified cannot be added to automatic tax invoices.",
    unverified: "the wording; an account can have a default tax behavior",
  },
  email: {
    source: "https://docs.stripe.com/error-codes#email-invalid",
    status: 400,
    code: "email_invalid",
    param: "email",
    message: "The email address is invalid. Check that the email address is properly formatted.",
  },
  taxId: {
    source: "https://docs.stripe.com/error-codes#tax-id-invalid",
    status: 400,
    code: "tax_id_invalid",
    message: "The provided tax ID value is invalid.",
    unverified: "which values each type takes; the stand-in looks at eu_vat alone",
  },
  draftsOnly: {
    source: "https://docs.stripe.com/error-codes#invoice-not-editable",
    status: 400,
    code: "invoice_not_editable",
    message: "The specified invoice can no longer be edited.",
  },
} as const satisfies Record<string, StripeRule>;

/** The refusal that follows from a rule. */
export function refusalOf(rule: StripeRule): StripeFailure {
  const { status, message, code, param } = rule;
  return new StripeFailure(status, {
    type: "invalid_request_error",
    message,
    ...(code !== undefined && { code }),
    ...(param !== undefined && { param }),
  });
}

/** The refusal for an id that there is not; https://docs.stripe.com/error-codes#resource-missing. */
export function noSuch(object: string, id: string, status: 400 | 404 = 404): StripeFailure {
  return new StripeFailure(status, {
    type: "invalid_request_error",
    code: "resource_missing",
    param: status === 400 ? object : "id",
    message: `No such ${object}: '${id}'`,
  });
}

/** Items of an invoice at most. */
export const MOST_ITEMS = 250;
/** Most of a currency's smallest unit. */
export const LARGEST_AMOUNT = 99_999_999;

/**
 * The least that is charged, in the currency's smallest unit (https://docs.stripe.com/currencies). An invoice below it
 * is paid when it is finalized, and the amount goes to the customer's balance
 * (https://support.stripe.com/questions/why-did-stripe-not-send-an-email-receipt-for-my-successfully-paid-invoice). It
 * depends on the currency that Stripe pays out in; the stand-in pays out in the invoice's own.
 */
export const LEAST_CHARGE: Readonly<Record<string, number>> = {
  usd: 50,
  eur: 50,
  gbp: 30,
  jpy: 50,
  huf: 17_500,
};

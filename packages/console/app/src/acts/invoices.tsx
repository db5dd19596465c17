import type { Invoice } from "@licentric/contract";
import { addDecimals, money } from "../format.ts";
import type { Act, Field } from "./act.ts";

const pathOf = (invoiceId: string) => `/api/v1/billing/invoices/${encodeURIComponent(invoiceId)}`;

const textOf = ({ total, currency }: Invoice) => money(total, currency);

/** Voids an invoice that is not paid. */
export function voidInvoice(invoice: Invoice): Act | false {
  if (invoice.status === "void" || invoice.status === "paid") return false;
  const inStripe = invoice.stripeConfigured && invoice.stripeInvoiceId !== null;
  return {
    name: "Void",
    of: "the invoice",
    title: `Void the invoice of ${textOf(invoice)}`,
    scope: "billing:write",
    confirm: "Void the invoice",
    grave: true,
    says: (
      <>
        <p>
          It bills nothing from then on{inStripe && ", and is void in Stripe, too"}. This cannot be undone.
        </p>
        <p>Its usage is not lost: the period lists it as not yet invoiced, and it can be invoiced again.</p>
      </>
    ),
    perform: (_, send) => send("POST", `${pathOf(invoice.id)}/void`),
    done: "The invoice is void.",
  };
}

/** The part of an invoice that no credit note takes back yet, as a decimal text. */
function leftOf({ total, credited = "0" }: Invoice): string {
  return addDecimals([total, `-${credited}`]);
}

const SETTLEMENT: Field = {
  name: "settlement",
  label: "How the money goes back",
  kind: "choice",
  options: [
    ["customer_balance", "Off the payer's next invoice"],
    ["refund", "To the payment method, by Stripe"],
    ["out_of_band", "Outside of Stripe, by you"],
  ],
};

const fieldsOf = (invoice: Invoice): readonly Field[] => [
  {
    name: "amount",
    label: `Amount in ${invoice.currency.toUpperCase()}`,
    kind: "decimal",
    required: true,
    hint: `At most ${money(leftOf(invoice), invoice.currency)}.`,
  },
  {
    name: "reason",
    label: "Reason",
    kind: "choice",
    options: [
      ["", "None"],
      ["order_change", "The order changed"],
      ["product_unsatisfactory", "It was not as it should be"],
      ["duplicate", "It was billed twice"],
      ["fraudulent", "Fraud"],
    ],
  },
  { name: "memo", label: "Memo", kind: "text", hint: "The payer reads it on the credit note." },
  ...(invoice.status === "paid" && invoice.stripeConfigured ? [SETTLEMENT] : []),
];

/** Takes an amount back from an invoice. */
export function createCreditNote(invoice: Invoice): Act | false {
  const { status, stripeConfigured } = invoice;
  const unsent = status === "draft" || (status === "computed" && stripeConfigured);
  if (unsent || status === "void" || Number(leftOf(invoice)) <= 0) return false;
  return {
    name: "Credit note",
    title: `Credit note on the invoice of ${textOf(invoice)}`,
    scope: "billing:write",
    confirm: "Make the credit note",
    says: (
      <p>
        It takes an amount of money off this invoice, whose lines stay as they are. A credit note cannot be
        taken back. Usage of a period that is still open is corrected on the agent's page instead.
      </p>
    ),
    fields: fieldsOf(invoice),
    perform: ({ amount, reason, memo, settlement }, send) =>
      send("POST", `${pathOf(invoice.id)}/credit-notes`, {
        amount,
        ...(reason ? { reason } : {}),
        ...(memo ? { memo } : {}),
        ...(settlement ? { settlement } : {}),
      }),
    done: "The credit note is made.",
  };
}

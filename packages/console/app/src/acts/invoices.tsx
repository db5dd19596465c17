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

/** Issues an invoice that is not in Stripe. */
export function issueInvoice(invoice: Invoice): Act<{ data: Invoice }> | false {
  if (invoice.status !== "computed" || invoice.stripeConfigured) return false;
  return {
    name: "Issue",
    title: `Issue the invoice of ${textOf(invoice)}`,
    scope: "billing:write",
    confirm: "Issue the invoice",
    says: (
      <>
        <p>
          It gets the next number, names you and the payer as you stand now, and is open until it is paid or
          void. Its number stays, whatever becomes of it.
        </p>
        <p>It never goes to Stripe then: you ask for the payment yourself.</p>
      </>
    ),
    fields: [
      { name: "days", label: "Days until it is due", kind: "whole", least: 1, required: true, initial: "30" },
    ],
    perform: ({ days }, send) => send("POST", `${pathOf(invoice.id)}/issue`, { daysUntilDue: Number(days) }),
    done: ({ data }) => `The invoice ${data.number} is issued.`,
  };
}

/** Records a payment of an invoice that was issued here. */
export function payInvoice(invoice: Invoice): Act | false {
  if (invoice.status !== "open" || invoice.number == null) return false;
  return {
    name: "Mark as paid",
    title: `Mark ${invoice.number} as paid`,
    scope: "billing:write",
    says: <p>All {textOf(invoice)} have arrived. This cannot be undone.</p>,
    fields: [
      {
        name: "reference",
        label: "Reference",
        kind: "text",
        required: true,
        hint: "What the payment is found by: a transfer's reference, a receipt's number.",
      },
    ],
    perform: ({ reference }, send) => send("POST", `${pathOf(invoice.id)}/pay`, { reference }),
    done: "The invoice is paid.",
  };
}

/** Makes a link to the document of an invoice that was issued here. */
export function linkInvoice(invoice: Invoice): Act<{ data: { readonly path: string } }> | false {
  if (invoice.number == null) return false;
  return {
    name: "Link",
    of: "to the document",
    title: `Link to ${invoice.number}`,
    scope: "billing:write",
    confirm: "Make the link",
    says: (
      <p>Who has it can read this invoice without a key until the link ends. It cannot be called back.</p>
    ),
    fields: [
      {
        name: "days",
        label: "Days for which it opens",
        kind: "whole",
        least: 1,
        required: true,
        initial: "30",
      },
    ],
    perform: ({ days }, send) =>
      send("POST", `${pathOf(invoice.id)}/link`, { expiresIn: Number(days) * 86_400 }),
    done: "The link is made.",
    secretLabel: "Send it to the payer. It is stored nowhere: another one is made as easily.",
    secret: ({ data }) => `${window.location.origin}${data.path}`,
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

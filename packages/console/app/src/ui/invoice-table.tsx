import type { Invoice } from "@licentric/contract";
import { Link } from "@tanstack/react-router";
import { PayerName, PeriodName } from "./names.tsx";
import type { Column } from "./table.tsx";
import { Badge, Money, Time, type Tone } from "./values.tsx";

const STATES: Readonly<Record<Invoice["status"], readonly [Tone, string]>> = {
  computed: ["neutral", "Computed"],
  draft: ["neutral", "Draft"],
  open: ["accent", "Open"],
  paid: ["good", "Paid"],
  payment_failed: ["bad", "Payment failed"],
  void: ["neutral", "Void"],
  uncollectible: ["bad", "Uncollectible"],
};

/** The state of an invoice, in words. */
export function InvoiceBadge({ status }: { readonly status: Invoice["status"] }) {
  const [tone, text] = STATES[status];
  return <Badge tone={tone}>{text}</Badge>;
}

/** The columns of every list of invoices. */
export const INVOICE_COLUMNS: readonly Column<Invoice>[] = [
  {
    head: "Total",
    cell: ({ id, total, currency }) => (
      <Link to="/invoices/$invoiceId" params={{ invoiceId: id }}>
        <Money amount={total} currency={currency} />
      </Link>
    ),
  },
  { head: "Status", cell: ({ status }) => <InvoiceBadge status={status} /> },
  { head: "Payer", wide: true, cell: ({ customerId }) => <PayerName id={customerId} /> },
  { head: "Period", cell: ({ periodId }) => <PeriodName id={periodId} /> },
  { head: "Created", cell: ({ createdAt }) => <Time at={createdAt} /> },
];

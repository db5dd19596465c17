import type { UninvoicedUsage } from "@licentric/contract";
import { Link } from "@tanstack/react-router";
import { month } from "../format.ts";
import { useMoneyAndTime } from "../queries.ts";
import { PayerName } from "./names.tsx";
import type { Column } from "./table.tsx";
import { Badge, Money } from "./values.tsx";

/** The columns of every list of usage that is on no invoice. */
export const UNINVOICED_COLUMNS: readonly Column<UninvoicedUsage>[] = [
  { head: "Payer", wide: true, cell: ({ customerId }) => <PayerName id={customerId} /> },
  {
    head: "Period",
    cell: ({ periodId, startsAt }) => (
      <Link to="/periods/$periodId" params={{ periodId }}>
        <Month at={startsAt} />
      </Link>
    ),
  },
  {
    head: "Waits for",
    cell: ({ periodStatus, invoiceId }) => {
      if (periodStatus === "open") return <Badge tone="warn">Closing the period</Badge>;
      return <Badge>{invoiceId === null ? "An invoice" : "Stripe"}</Badge>;
    },
  },
  {
    head: "Amount",
    align: "end",
    cell: ({ total, currency }) => <Money amount={total} currency={currency} />,
  },
];

function Month({ at }: { readonly at: string }) {
  const { timeZone } = useMoneyAndTime();
  return month(at, timeZone);
}

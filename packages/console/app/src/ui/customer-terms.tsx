import type { Customer, CustomerDiscount, CustomerMinimum, Discount } from "@licentric/contract";
import { endDiscount, endMinimum, setDiscount, setMinimum } from "../acts/customer-terms.tsx";
import { money } from "../format.ts";
import { useList, useMoneyAndTime } from "../queries.ts";
import { may, useSession } from "../session.ts";
import { Acts } from "./acts.tsx";
import { Section } from "./page.tsx";
import { Empty, Loaded } from "./states.tsx";
import { type Column, Table } from "./table.tsx";
import { Day, Name, None } from "./values.tsx";

interface Term {
  readonly id: string;
  readonly what: string;
  /** null: it ends what was agreed before. */
  readonly terms: string | null;
  readonly reason: string | null;
  readonly periods: number | null;
  readonly billedFrom: string | null;
}

const COLUMNS: readonly Column<Term>[] = [
  { head: "What", cell: ({ what }) => what },
  { head: "Agreed", cell: ({ terms }) => terms ?? <None>None any more</None> },
  {
    head: "Reason",
    wide: true,
    cell: ({ reason }) => (reason === null ? <None /> : <Name lines={2}>{reason}</Name>),
  },
  {
    head: "From",
    cell: ({ billedFrom }) =>
      billedFrom === null ? <None>Taken over before it counted</None> : <Day at={billedFrom} />,
  },
  { head: "Months", align: "end", cell: ({ periods }) => (periods === null ? <None>All</None> : periods) },
];

/** The discount and the minimum that were agreed with a customer, newest first. */
export function CustomerTerms({ customer }: { readonly customer: Customer }) {
  return may(useSession(), "billing:read") ? <Terms customer={customer} /> : null;
}

function Terms({ customer }: { readonly customer: Customer }) {
  const { currency } = useMoneyAndTime();
  const path = `/api/v1/customers/${encodeURIComponent(customer.id)}`;
  const discounts = useList<CustomerDiscount>(`${path}/discounts`, { limit: 5 });
  const minimums = useList<CustomerMinimum>(`${path}/minimums`, { limit: 5 });
  return (
    <Section
      title="Discount and minimum"
      beside={
        <Acts
          acts={[
            setDiscount(customer, currency),
            endDiscount(customer, discounts.data?.data[0]),
            setMinimum(customer, currency),
            endMinimum(customer, minimums.data?.data[0]),
          ]}
        />
      }
    >
      <Loaded query={discounts} rows={2}>
        {(agreed) => (
          <Loaded query={minimums} rows={2}>
            {(least) => (
              <TermTable
                terms={[
                  ...agreed.data.map((one) => discountTerm(one, currency)),
                  ...least.data.map((one) => minimumTerm(one, currency)),
                ]}
              />
            )}
          </Loaded>
        )}
      </Loaded>
    </Section>
  );
}

function TermTable({ terms }: { readonly terms: readonly Term[] }) {
  if (terms.length === 0) return <Empty title="Nothing is agreed: its invoices are what it used." />;
  return (
    <Table
      label="Discount and minimum of this customer"
      columns={COLUMNS}
      rows={terms}
      rowKey={({ id }) => id}
    />
  );
}

function discountTerm(
  { id, discount, reason, periods, billedFrom }: CustomerDiscount,
  currency: string,
): Term {
  const terms = discount === null ? null : discountText(discount, currency);
  return { id, what: "Discount", terms, reason, periods, billedFrom };
}

function minimumTerm({ id, minimum, periods, billedFrom }: CustomerMinimum, currency: string): Term {
  const terms = minimum === null ? null : money(minimum, currency);
  return { id, what: "Minimum", terms, reason: null, periods, billedFrom };
}

const discountText = (discount: Discount, currency: string) =>
  discount.model === "percent" ? `${discount.percent} %` : money(discount.amount, currency);

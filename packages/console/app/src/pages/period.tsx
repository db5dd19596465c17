import type { BillingPeriod, Invoice, UninvoicedUsage } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { closePeriod, invoiceAll, invoiceOne } from "../acts/periods.tsx";
import { whole } from "../format.ts";
import { periodQuery, useList, useMoneyAndTime, useStripe } from "../queries.ts";
import { Acts, useActsColumn } from "../ui/acts.tsx";
import { INVOICE_COLUMNS } from "../ui/invoice-table.tsx";
import { List } from "../ui/list-page.tsx";
import { MeterName } from "../ui/names.tsx";
import { Facts, Page, Section } from "../ui/page.tsx";
import { PeriodBadge, usePeriodDays } from "../ui/period.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { UNINVOICED_COLUMNS } from "../ui/uninvoiced-table.tsx";
import { Code, None, Quantity, Time } from "../ui/values.tsx";

const route = getRouteApi("/periods/$periodId");

/** One month: what was used, what is invoiced, and what is not yet. */
export default function PeriodPage() {
  const { periodId } = route.useParams();
  const query = useQuery({ ...periodQuery(periodId), refetchInterval: 15_000 });
  const daysOf = usePeriodDays();
  return (
    <Loaded
      query={query}
      frame={(content) => (
        <Page title="Period" above={<Link to="/periods">Periods</Link>}>
          {content}
        </Page>
      )}
    >
      {(period) => (
        <Page
          title={daysOf(period).month}
          above={<Link to="/periods">Periods</Link>}
          beside={
            <>
              <PeriodBadge period={period} />
              <PeriodActs period={period} />
            </>
          }
          lead={daysOf(period).days}
        >
          <Facts
            facts={[
              ["Time zone", period.timeZone ?? <None key="none">The account's</None>],
              ["Currency", (period.currency ?? "").toUpperCase() || <None key="none">The account's</None>],
              [
                "Closed",
                period.closedAt === null ? (
                  <None key="none">Not yet</None>
                ) : (
                  <Time key="at" at={period.closedAt} />
                ),
              ],
              ["Id", <Code key="id">{period.id}</Code>],
            ]}
          />
          <Totals period={period} />
          <Uninvoiced period={period} />
          <Invoices periodId={periodId} />
        </Page>
      )}
    </Loaded>
  );
}

/** Reads the payers of a period who owe something that is on no invoice. */
const useUninvoiced = (periodId: string) =>
  useList<UninvoicedUsage>("/api/v1/billing/uninvoiced", { periodId, limit: 100 });

function PeriodActs({ period }: { readonly period: BillingPeriod }) {
  const { timeZone } = useMoneyAndTime();
  const stripe = useStripe();
  const { month } = usePeriodDays()(period);
  const named = { period, month, timeZone: period.timeZone ?? timeZone };
  const { data } = useUninvoiced(period.id);
  if (period.status === "open") return <Acts acts={[closePeriod(named)]} />;
  const owes = data !== undefined && data.data.length > 0;
  return <Acts acts={[owes && stripe !== undefined && invoiceAll(named, stripe)]} />;
}

function Totals({ period: { totals } }: { readonly period: BillingPeriod }) {
  return (
    <Section title="What was used">
      {totals.length === 0 ? (
        <Empty title="Nothing was used." />
      ) : (
        <Table
          label="Usage by meter"
          rows={totals}
          rowKey={({ meterName }) => meterName}
          columns={[
            { head: "Meter", wide: true, cell: ({ meterName }) => <MeterName name={meterName} /> },
            { head: "Billed quantity", align: "end", cell: (total) => <Quantity of={total} /> },
            {
              head: "Adjusted",
              align: "end",
              cell: ({ parts }) => (parts === undefined ? <None /> : whole(parts.adjusted)),
            },
            { head: "Events", align: "end", cell: ({ eventCount }) => whole(eventCount) },
          ]}
        />
      )}
    </Section>
  );
}

function Uninvoiced({ period }: { readonly period: BillingPeriod }) {
  const stripe = useStripe();
  const { month } = usePeriodDays()(period);
  const acts = useActsColumn<UninvoicedUsage>("billing:write", (usage) => [
    usage.periodStatus === "closed" && stripe !== undefined && invoiceOne(usage, month, stripe),
  ]);
  const query = useUninvoiced(period.id);
  if (query.data?.data.length === 0) return null;
  return (
    <Section title="Not yet invoiced">
      <List
        query={query}
        label="Usage that is on no invoice yet"
        rowKey={({ customerId }) => customerId ?? "own"}
        columns={[...UNINVOICED_COLUMNS.filter(({ head }) => head !== "Period"), ...acts]}
        empty={null}
      />
      {query.data?.pagination.hasMore && <p className="muted small">The first 100 payers are shown.</p>}
    </Section>
  );
}

function Invoices({ periodId }: { readonly periodId: string }) {
  const query = useList<Invoice>("/api/v1/billing/invoices", { periodId, limit: 100 });
  return (
    <Section title="Invoices">
      <List
        query={query}
        label="Invoices of this period"
        rowKey={({ id }) => id}
        columns={INVOICE_COLUMNS.filter(({ head }) => head !== "Period")}
        empty={<Empty title="No invoice yet.">They are made once the period is over and closed.</Empty>}
      />
      {query.data?.pagination.hasMore && (
        <p className="muted small">
          The 100 newest are shown. <Link to="/invoices">All invoices</Link>
        </p>
      )}
    </Section>
  );
}

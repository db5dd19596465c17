import type { BillingPeriod, CostPreview, Invoice, UninvoicedUsage } from "@licentric/contract";
import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Listed } from "../api.ts";
import { whole } from "../format.ts";
import { costsQuery, currentPeriodQuery, read, type Whole } from "../queries.ts";
import { may, useSession } from "../session.ts";
import { sums, TopCosts } from "../ui/costs.tsx";
import { INVOICE_COLUMNS } from "../ui/invoice-table.tsx";
import { Page, Section } from "../ui/page.tsx";
import { PeriodBadge, usePeriodDays } from "../ui/period.tsx";
import { Command, Empty, Loaded } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { TopCustomers, TopMeters } from "../ui/top.tsx";
import { UNINVOICED_COLUMNS } from "../ui/uninvoiced-table.tsx";
import { UsageChart } from "../ui/usage-chart.tsx";

const SHOWN = 5;

/** Usage of now, those who use most, and money that is not paid or invoiced yet. */
export default function Overview() {
  const session = useSession();
  const billing = may(session, "billing:read");
  const period = useQuery({ ...currentPeriodQuery(), enabled: billing, refetchInterval: 15_000 });
  const uninvoiced = useQuery({
    ...read<Listed<UninvoicedUsage>>("/api/v1/billing/uninvoiced?limit=100"),
    enabled: billing,
  });
  const invoices = useQuery({
    ...read<Listed<Invoice>>("/api/v1/billing/invoices?limit=100"),
    enabled: billing,
  });
  const costs = useQuery({ ...costsQuery(), enabled: billing });
  const daysOf = usePeriodDays();
  const isNew = [period.data?.totals, uninvoiced.data?.data, invoices.data?.data].every(
    (rows) => rows?.length === 0,
  );
  return (
    <Page
      title="Overview"
      beside={period.data !== undefined && <PeriodBadge period={period.data} />}
      lead={
        period.data === undefined ? undefined : `${daysOf(period.data).month}, ${daysOf(period.data).days}`
      }
    >
      <Loaded query={period} rows={2}>
        {(data) => (
          <Figures period={data} costs={costs.data} uninvoiced={uninvoiced.data} invoices={invoices.data} />
        )}
      </Loaded>
      {isNew ? (
        <FirstSteps />
      ) : (
        <Standing period={period} costs={costs} uninvoiced={uninvoiced} invoices={invoices} />
      )}
    </Page>
  );
}

/** Commands for an account without any usage, in their order. */
function FirstSteps() {
  return (
    <Section title="First steps">
      <Empty title="Nothing was used yet.">
        <p>An agent calls your paid tools with a token of its own. Make both:</p>
        <Command>npx licentric agents create "Travel planner"</Command>
        <Command>npx licentric authorize "Travel planner"</Command>
        <p className="next-step">This writes an MCP server with one paid tool, and a client that calls it:</p>
        <Command>npx licentric init my-server</Command>
        <p className="next-step">The call is on this page as soon as it is made.</p>
      </Empty>
    </Section>
  );
}

interface StandingProps {
  readonly period: UseQueryResult<BillingPeriod>;
  readonly costs: UseQueryResult<Whole<CostPreview>>;
  readonly uninvoiced: UseQueryResult<Listed<UninvoicedUsage>>;
  readonly invoices: UseQueryResult<Listed<Invoice>>;
}

/** Usage and invoices of an account that has some. */
function Standing({ period, costs, uninvoiced, invoices }: StandingProps) {
  return (
    <>
      <UsageChart />
      <div className="columns">
        <Section title="Top meters">
          <Loaded query={period}>{({ totals }) => <TopMeters totals={totals} />}</Loaded>
        </Section>
        <TopCustomers totals={period.data?.totals ?? []} />
      </div>
      <Section title="Cost so far">
        <p className="muted small">What invoices would say if the period was closed now, without tax.</p>
        <Loaded query={costs}>{(all) => <TopCosts costs={all} />}</Loaded>
      </Section>
      <Section title="Open invoices" beside={<Link to="/invoices">All invoices</Link>}>
        <Loaded query={invoices}>{(listed) => <OpenInvoices listed={listed} />}</Loaded>
      </Section>
      <Section title="Not yet invoiced" beside={<Link to="/periods">All periods</Link>}>
        <Loaded query={uninvoiced}>{(listed) => <Uninvoiced listed={listed} />}</Loaded>
      </Section>
    </>
  );
}

const isOpen = ({ status }: Invoice) => status === "open" || status === "payment_failed";

function Figures({
  period,
  costs,
  uninvoiced,
  invoices,
}: {
  readonly period: BillingPeriod;
  readonly costs: Whole<CostPreview> | undefined;
  readonly uninvoiced: Listed<UninvoicedUsage> | undefined;
  readonly invoices: Listed<Invoice> | undefined;
}) {
  const events = period.totals.reduce((count, { eventCount }) => count + eventCount, 0);
  const open = invoices?.data.filter(isOpen) ?? [];
  return (
    <dl className="figures">
      <Figure what="Events in this period">{whole(events)}</Figure>
      <Figure what="Cost so far">{costs === undefined ? "…" : sums(costs.rows, costs.goesOn)}</Figure>
      <Figure what="Open invoices">
        {invoices === undefined ? "…" : sums(open, invoices.pagination.hasMore && open.length > 0)}
      </Figure>
      <Figure what="Over and not yet invoiced">
        {uninvoiced === undefined ? "…" : sums(uninvoiced.data, uninvoiced.pagination.hasMore)}
      </Figure>
    </dl>
  );
}

function Figure({ what, children }: { readonly what: string; readonly children: ReactNode }) {
  return (
    <div>
      <dt>{what}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function OpenInvoices({ listed: { data, pagination } }: { readonly listed: Listed<Invoice> }) {
  const open = data.filter(isOpen);
  const among = pagination.hasMore ? " among the 100 newest" : "";
  if (open.length === 0) return <Empty title={`No invoice${among} waits to be paid.`} />;
  return (
    <>
      <Table
        label="Open invoices"
        rows={open.slice(0, SHOWN)}
        rowKey={({ id }) => id}
        columns={INVOICE_COLUMNS}
      />
      {open.length > SHOWN && (
        <p className="muted small">
          {whole(SHOWN)} of {whole(open.length)}
          {among} are shown.
        </p>
      )}
    </>
  );
}

function Uninvoiced({ listed: { data, pagination } }: { readonly listed: Listed<UninvoicedUsage> }) {
  if (data.length === 0) {
    return (
      <Empty title="All periods that are over are invoiced.">
        What is used now is invoiced when its period is over.
      </Empty>
    );
  }
  return (
    <>
      <Table
        label="Usage that is on no invoice yet"
        rows={data.slice(0, SHOWN)}
        rowKey={({ periodId, customerId }) => `${periodId} ${customerId}`}
        columns={UNINVOICED_COLUMNS}
      />
      {(data.length > SHOWN || pagination.hasMore) && (
        <p className="muted small">
          {whole(SHOWN)} of {pagination.hasMore ? "more than 100" : whole(data.length)} are shown.
        </p>
      )}
      <div className="muted next-step">
        This closes and invoices the last period that is over:{" "}
        <Command>{"npx licentric close previous && npx licentric invoice create previous"}</Command>
      </div>
    </>
  );
}

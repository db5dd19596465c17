import type { Agent, Customer, Invoice } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { customerQuery, useList } from "../queries.ts";
import { may, useSession } from "../session.ts";
import { visible } from "../text.ts";
import { AGENT_COLUMNS_OF_CUSTOMER } from "../ui/agent-table.tsx";
import { CustomerCost } from "../ui/costs.tsx";
import { INVOICE_COLUMNS } from "../ui/invoice-table.tsx";
import { List } from "../ui/list-page.tsx";
import { Facts, Metadata, Page, Section } from "../ui/page.tsx";
import { Command, Empty, Loaded } from "../ui/states.tsx";
import { StripeBadge } from "../ui/stripe-badge.tsx";
import { UsageChart } from "../ui/usage-chart.tsx";
import { Code, None, Time } from "../ui/values.tsx";

const route = getRouteApi("/customers/$customerId");

/** One customer: what its agents used, what it was invoiced, and where. */
export default function CustomerPage() {
  const { customerId } = route.useParams();
  const query = useQuery(customerQuery(customerId));
  return (
    <Loaded
      query={query}
      frame={(content) => (
        <Page title="Customer" above={<Link to="/customers">Customers</Link>}>
          {content}
        </Page>
      )}
    >
      {(customer) => (
        <Page
          title={customer.name}
          above={<Link to="/customers">Customers</Link>}
          beside={<StripeBadge status={customer.stripeStatus} />}
        >
          <Details customer={customer} />
          <CustomerCost customerId={customerId} />
          <UsageChart customerId={customerId} />
          <Agents customerId={customerId} />
          <Invoices customerId={customerId} />
          <Metadata metadata={customer.metadata} />
        </Page>
      )}
    </Loaded>
  );
}

function Details({ customer }: { readonly customer: Customer }) {
  const { email, address, taxId, stripeCustomerId, createdAt, id } = customer;
  const lines = [
    address?.line1,
    address?.line2,
    [address?.postalCode, address?.city].filter(Boolean).join(" "),
    address?.state,
    address?.country,
  ].filter(Boolean);
  return (
    <Facts
      facts={[
        ["E-mail", email === null ? <None key="none" /> : <bdi key="email">{visible(email)}</bdi>],
        [
          "Address",
          lines.length === 0 ? <None key="none" /> : <bdi key="lines">{visible(lines.join(", "))}</bdi>,
        ],
        ["Tax id", taxId == null ? <None key="none" /> : <bdi key="tax">{visible(taxId.value)}</bdi>],
        [
          "Stripe customer",
          stripeCustomerId === null ? <None key="none" /> : <Code key="id">{stripeCustomerId}</Code>,
        ],
        ["Customer since", <Time key="since" at={createdAt} />],
        ["Id", <Code key="id">{id}</Code>],
      ]}
    />
  );
}

function Agents({ customerId }: { readonly customerId: string }) {
  const session = useSession();
  if (!may(session, "agents:read")) return null;
  return (
    <Section title="Agents">
      <AgentList customerId={customerId} />
    </Section>
  );
}

function AgentList({ customerId }: { readonly customerId: string }) {
  const query = useList<Agent>("/api/v1/agents", { customerId, limit: 10 });
  return (
    <>
      <List
        query={query}
        label="Agents of this customer"
        rowKey={({ id }) => id}
        columns={AGENT_COLUMNS_OF_CUSTOMER}
        empty={
          <Empty title="It pays for no agent yet.">
            <Command>{`npx licentric agents create "Travel planner" --customer ${customerId}`}</Command>
          </Empty>
        }
      />
      {query.data?.pagination.hasMore && <p className="muted small">The ten newest are shown.</p>}
    </>
  );
}

function Invoices({ customerId }: { readonly customerId: string }) {
  const query = useList<Invoice>("/api/v1/billing/invoices", { customerId, limit: 12 });
  return (
    <Section title="Invoices">
      <List
        query={query}
        label="Invoices of this customer"
        rowKey={({ id }) => id}
        columns={INVOICE_COLUMNS.filter(({ head }) => head !== "Payer")}
        empty={<Empty title="No invoice yet.">One is made of each period that is over and closed.</Empty>}
      />
      {query.data?.pagination.hasMore && <p className="muted small">The twelve newest are shown.</p>}
    </Section>
  );
}

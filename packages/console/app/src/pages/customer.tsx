import type { Agent, Customer, Invoice, Meter } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { createAgent } from "../acts/agents.tsx";
import { editCustomer } from "../acts/customers.tsx";
import { endOwnPrice, setPrice } from "../acts/meters.tsx";
import { priceText } from "../format.ts";
import { customerQuery, useList, useMoneyAndTime } from "../queries.ts";
import { may, useSession } from "../session.ts";
import { visible } from "../text.ts";
import { Acts, useActsColumn } from "../ui/acts.tsx";
import { AGENT_COLUMNS_OF_CUSTOMER } from "../ui/agent-table.tsx";
import { Budgets } from "../ui/budgets.tsx";
import { CustomerCost } from "../ui/costs.tsx";
import { CustomerTerms } from "../ui/customer-terms.tsx";
import { INVOICE_COLUMNS } from "../ui/invoice-table.tsx";
import { List } from "../ui/list-page.tsx";
import { MeterName } from "../ui/names.tsx";
import { Facts, Metadata, Page, Section } from "../ui/page.tsx";
import { Command, Empty, Loaded } from "../ui/states.tsx";
import { StripeBadge } from "../ui/stripe-badge.tsx";
import { UsageChart } from "../ui/usage-chart.tsx";
import { Badge, Code, Name, None, Time } from "../ui/values.tsx";

const route = getRouteApi("/customers/$customerId");

/** One customer: what its agents used, what it was invoiced, and where. */
export default function CustomerPage() {
  const { customerId } = route.useParams();
  const session = useSession();
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
          beside={
            <>
              <StripeBadge status={customer.stripeStatus} />
              <Acts acts={[editCustomer(customer)]} />
            </>
          }
        >
          <Details customer={customer} />
          <CustomerCost customerId={customerId} />
          <UsageChart customerId={customerId} />
          <Agents customerId={customerId} />
          {may(session, "budgets:read") && (
            <Budgets
              owner={{ customerId }}
              name={customer.name}
              empty={
                <Empty title="Its agents may use as much as they like.">
                  <p>A budget of a customer limits what all its agents use together.</p>
                </Empty>
              }
            />
          )}
          <Invoices customerId={customerId} />
          <OwnPrices customer={customer} />
          <CustomerTerms customer={customer} />
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

/** Prices that the customer pays: its own prices, or else everybody's. */
function OwnPrices({ customer }: { readonly customer: Customer }) {
  const session = useSession();
  if (!may(session, "meters:read")) return null;
  return (
    <Section title="Prices">
      <PriceList owner={{ customerId: customer.id, name: customer.name }} />
    </Section>
  );
}

function PriceList({ owner }: { readonly owner: { readonly customerId: string; readonly name: string } }) {
  const money = useMoneyAndTime();
  const query = useList<Meter>("/api/v1/meters", { customerId: owner.customerId, limit: 100 });
  const acts = useActsColumn<Meter>("meters:write", (meter) => [
    setPrice(meter, money, owner),
    endOwnPrice(meter, money, owner),
  ]);
  return (
    <List
      query={query}
      label="Prices of this customer"
      rowKey={({ id }) => id}
      columns={[
        { head: "Meter", wide: true, cell: ({ name }) => <MeterName name={name} /> },
        {
          head: "Price",
          cell: ({ price, unit }) =>
            price === null ? (
              <None>Not charged</None>
            ) : (
              <Name lines={2}>{priceText(price, money.currency, unit)}</Name>
            ),
        },
        {
          head: "Whose",
          cell: ({ ownPrice }) =>
            ownPrice === true ? <Badge tone="accent">Its own</Badge> : <None>Everybody's</None>,
        },
        ...acts,
      ]}
      empty={<Empty title="There are no meters yet." />}
    />
  );
}

function Agents({ customerId }: { readonly customerId: string }) {
  const session = useSession();
  if (!may(session, "agents:read")) return null;
  return (
    <Section title="Agents" beside={<Acts acts={[createAgent(customerId)]} />}>
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

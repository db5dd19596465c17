import type { Customer } from "@licentric/contract";
import { getRouteApi, Link } from "@tanstack/react-router";
import { createCustomer } from "../acts/customers.tsx";
import { useList } from "../queries.ts";
import { Acts } from "../ui/acts.tsx";
import { List } from "../ui/list-page.tsx";
import { Page } from "../ui/page.tsx";
import { Command, Empty } from "../ui/states.tsx";
import { StripeBadge } from "../ui/stripe-badge.tsx";
import { Name, None, Time } from "../ui/values.tsx";

const route = getRouteApi("/customers");

/** Everybody who pays for agents. */
export default function Customers() {
  const search = route.useSearch();
  const query = useList<Customer>("/api/v1/customers", { cursor: search.cursor });
  return (
    <Page
      title="Customers"
      lead="They pay for agents. What agents of no customer use is your account's own."
      beside={<Acts acts={[createCustomer()]} />}
    >
      <List
        query={query}
        label="Customers"
        search={search}
        rowKey={({ id }) => id}
        columns={[
          {
            head: "Name",
            wide: true,
            cell: ({ id, name }) => (
              <Link to="/customers/$customerId" params={{ customerId: id }}>
                <Name>{name}</Name>
              </Link>
            ),
          },
          { head: "E-mail", cell: ({ email }) => (email === null ? <None /> : <Name>{email}</Name>) },
          { head: "Stripe", cell: ({ stripeStatus }) => <StripeBadge status={stripeStatus} /> },
          { head: "Created", cell: ({ createdAt }) => <Time at={createdAt} /> },
        ]}
        empty={
          <Empty title="No customers yet.">
            <p>Make one, and give it the agents that it pays for:</p>
            <Command>npx licentric customers create "Acme" --email books@acme.example</Command>
          </Empty>
        }
      />
    </Page>
  );
}

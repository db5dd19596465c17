import type { Meter } from "@licentric/contract";
import { getRouteApi, Link } from "@tanstack/react-router";
import { createMeter } from "../acts/meters.tsx";
import { priceText } from "../format.ts";
import { useList, useMoneyAndTime } from "../queries.ts";
import { Acts } from "../ui/acts.tsx";
import { List } from "../ui/list-page.tsx";
import { Page } from "../ui/page.tsx";
import { Command, Empty } from "../ui/states.tsx";
import { Badge, Code, Name, None, Time } from "../ui/values.tsx";

const route = getRouteApi("/meters");

/** All meters with their prices. */
export default function Meters() {
  const search = route.useSearch();
  const money = useMoneyAndTime();
  const { currency } = money;
  const query = useList<Meter>("/api/v1/meters", { cursor: search.cursor });
  return (
    <Page
      title="Meters and prices"
      lead="What is counted, and what the period that runs is billed by."
      beside={<Acts acts={[createMeter(money)]} />}
    >
      <List
        query={query}
        label="Meters"
        search={search}
        rowKey={({ id }) => id}
        columns={[
          {
            head: "Meter",
            wide: true,
            cell: ({ id, displayName }) => (
              <Link to="/meters/$meterId" params={{ meterId: id }}>
                <Name>{displayName}</Name>
              </Link>
            ),
          },
          { head: "Name in code", cell: ({ name }) => <Code>{name}</Code> },
          {
            head: "Price",
            cell: ({ price, unit }) =>
              price === null ? (
                <Badge tone="warn">No price: not charged</Badge>
              ) : (
                <Name lines={2}>{priceText(price, currency, unit)}</Name>
              ),
          },
          {
            head: "From next period",
            cell: ({ nextPrice, unit }) =>
              nextPrice == null ? (
                <None>The same</None>
              ) : (
                <Name lines={2}>{priceText(nextPrice.price, currency, unit)}</Name>
              ),
          },
          { head: "Created", cell: ({ createdAt }) => <Time at={createdAt} /> },
        ]}
        empty={
          <Empty title="No meters yet.">
            <Command>npx licentric meters create pages --unit page</Command>
          </Empty>
        }
      />
    </Page>
  );
}

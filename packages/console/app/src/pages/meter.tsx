import type { Meter, MeterPrice, Price } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { editMeter, setPrice } from "../acts/meters.tsx";
import { money as moneyText, priceText, unitPrice, whole } from "../format.ts";
import { meterQuery, useList, useMoneyAndTime } from "../queries.ts";
import { visible } from "../text.ts";
import { Acts } from "../ui/acts.tsx";
import { List } from "../ui/list-page.tsx";
import { PayerName } from "../ui/names.tsx";
import { Facts, Metadata, Page, Section } from "../ui/page.tsx";
import { Command, Empty, Loaded } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { UsageChart } from "../ui/usage-chart.tsx";
import { Badge, Code, Day, Name, None, Time } from "../ui/values.tsx";

const route = getRouteApi("/meters/$meterId");

/** One meter: its price, now and later, and what was used of it. */
export default function MeterPage() {
  const { meterId } = route.useParams();
  const query = useQuery(meterQuery(meterId));
  const money = useMoneyAndTime();
  return (
    <Loaded
      query={query}
      frame={(content) => (
        <Page title="Meter" above={<Link to="/meters">Meters and prices</Link>}>
          {content}
        </Page>
      )}
    >
      {(meter) => (
        <Page
          title={meter.displayName}
          above={<Link to="/meters">Meters and prices</Link>}
          beside={
            <>
              {meter.price === null && <Badge tone="warn">Not charged</Badge>}
              <Acts acts={[editMeter(meter), setPrice(meter, money)]} />
            </>
          }
        >
          <Facts
            facts={[
              ["Name in code", <Code key="name">{meter.name}</Code>],
              ["Unit", <bdi key="unit">{visible(meter.unit)}</bdi>],
              [
                "Most in one call",
                meter.maxQuantityPerCall === undefined ? (
                  <None key="none" />
                ) : (
                  whole(meter.maxQuantityPerCall)
                ),
              ],
              ["Created", <Time key="created" at={meter.createdAt} />],
              ["Id", <Code key="id">{meter.id}</Code>],
            ]}
          />
          <CurrentPrice meter={meter} />
          <UsageChart meterName={meter.name} />
          <Prices meter={meter} />
          <Metadata metadata={meter.metadata} />
        </Page>
      )}
    </Loaded>
  );
}

function CurrentPrice({ meter: { id, price, nextPrice, unit } }: { readonly meter: Meter }) {
  return (
    <Section title="Price">
      {price === null ? (
        <Empty title="Usage is counted and not charged.">
          <Command>{`npx licentric meters price ${id} --unit-price 0.01`}</Command>
        </Empty>
      ) : (
        <PriceDetails price={price} unit={unit} />
      )}
      {nextPrice != null && (
        <div className="next-price">
          <p className="muted">
            From <Day at={nextPrice.billedFrom} /> on:
          </p>
          <PriceDetails price={nextPrice.price} unit={unit} />
        </div>
      )}
    </Section>
  );
}

/** A price with all that belongs to it. */
function PriceDetails({ price, unit }: { readonly price: Price; readonly unit: string }) {
  const { currency } = useMoneyAndTime();
  const included = price.includedQuantity ?? 0;
  const facts: (readonly [string, ReactNode])[] = [
    [
      "Price",
      <Name key="price" lines={2}>
        {priceText(price, currency, unit)}
      </Name>,
    ],
    ["Free in each period", included === 0 ? <None key="none" /> : whole(included)],
    ...(price.allowance === undefined
      ? []
      : [[`Free for each customer a ${price.allowance.every}`, whole(price.allowance.quantity)] as const]),
    [
      "Least of a period with usage",
      price.minimumAmount === undefined ? <None key="none" /> : moneyText(price.minimumAmount, currency),
    ],
  ];
  return (
    <>
      <Facts facts={facts} />
      {(price.model === "graduated" || price.model === "volume") && (
        <Table
          label="Tiers"
          narrow
          rows={price.tiers.map((tier, index) => ({
            ...tier,
            from: (price.tiers[index - 1]?.upTo ?? 0) + 1,
          }))}
          rowKey={({ from }) => String(from)}
          columns={[
            { head: "From", align: "end", cell: ({ from }) => whole(from) },
            { head: "Up to", align: "end", cell: ({ upTo }) => (upTo === null ? "no end" : whole(upTo)) },
            { head: "Each", align: "end", cell: (tier) => unitPrice(tier.unitPrice, currency) },
            {
              head: "Once",
              align: "end",
              cell: ({ flatPrice }) => (flatPrice === undefined ? <None /> : moneyText(flatPrice, currency)),
            },
          ]}
        />
      )}
    </>
  );
}

function Prices({ meter }: { readonly meter: Meter }) {
  const { currency } = useMoneyAndTime();
  const query = useList<MeterPrice>(`/api/v1/meters/${encodeURIComponent(meter.id)}/prices`);
  return (
    <Section title="All its prices">
      <List
        query={query}
        label="Prices of this meter"
        rowKey={({ id }) => id}
        columns={[
          {
            head: "Price",
            wide: true,
            cell: ({ price }) =>
              price === null ? (
                <None>The account's again</None>
              ) : (
                <Name lines={2}>{priceText(price, currency, meter.unit)}</Name>
              ),
          },
          {
            head: "For",
            cell: ({ customerId }) =>
              customerId == null ? <None>Everybody</None> : <PayerName id={customerId} />,
          },
          { head: "In effect from", cell: ({ effectiveFrom }) => <Time at={effectiveFrom} /> },
          {
            head: "Bills periods from",
            cell: ({ billedFrom }) => (billedFrom == null ? <None>None</None> : <Day at={billedFrom} />),
          },
          { head: "Set", cell: ({ createdAt }) => <Time at={createdAt} /> },
        ]}
        empty={<Empty title="It never had a price." />}
      />
      {query.data?.pagination.hasMore && <p className="muted small">The 25 newest are shown.</p>}
    </Section>
  );
}

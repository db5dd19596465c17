import type { MeterTotal, UsageTotal } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { metersQuery, totalsQuery } from "../queries.ts";
import { may, useSession } from "../session.ts";
import { MeterName, PayerName } from "./names.tsx";
import { Choice, Section } from "./page.tsx";
import { Empty, Loaded } from "./states.tsx";
import { Table } from "./table.tsx";
import { Quantity } from "./values.tsx";

const SHOWN = 5;

const mostFirst = (a: { quantity: number }, b: { quantity: number }) => b.quantity - a.quantity;

/** The meters with most events in the period that runs: their units are not the same. */
export function TopMeters({ totals }: { readonly totals: readonly MeterTotal[] }) {
  if (totals.length === 0) return <Empty title="Nothing was used yet." />;
  return (
    <Table
      label="Meters with most events"
      rows={totals.toSorted((a, b) => b.eventCount - a.eventCount).slice(0, SHOWN)}
      rowKey={({ meterName }) => meterName}
      columns={[
        { head: "Meter", wide: true, cell: ({ meterName }) => <MeterName name={meterName} /> },
        { head: "Quantity", align: "end", cell: (total) => <Quantity of={total} /> },
        {
          head: "Events",
          align: "end",
          cell: ({ eventCount }) => <Quantity of={{ quantity: eventCount }} />,
        },
      ]}
    />
  );
}

/** The payers that used most of one meter in the period that runs. */
export function TopCustomers({ totals }: { readonly totals: readonly MeterTotal[] }) {
  const session = useSession();
  const [chosen, setChosen] = useState<string | undefined>();
  const meters = useQuery({ ...metersQuery(), enabled: may(session, "meters:read") });
  const names = totals.toSorted((a, b) => b.eventCount - a.eventCount).map(({ meterName }) => meterName);
  const meterName = chosen ?? names[0];
  const query = useQuery({
    ...totalsQuery({ groupBy: "customer", meterName }),
    enabled: meterName !== undefined && may(session, "usage:read"),
  });
  const shown = (name: string) => meters.data?.find((meter) => meter.name === name)?.displayName ?? name;
  const choice = names.length > 1 && (
    <Choice
      label="Meter"
      value={meterName ?? ""}
      options={names.map((name) => [name, shown(name)] as const)}
      onChange={setChosen}
    />
  );
  return (
    <Section title="Top customers" beside={choice}>
      {meterName === undefined ? (
        <Empty title="Nothing was used yet." />
      ) : (
        <Loaded query={query}>{(rows) => <Ranking rows={rows} />}</Loaded>
      )}
    </Section>
  );
}

function Ranking({ rows }: { readonly rows: readonly UsageTotal[] }) {
  return (
    <Table
      label="Customers with most usage"
      rows={rows.toSorted(mostFirst).slice(0, SHOWN)}
      rowKey={({ customerId }) => customerId ?? "own"}
      columns={[
        { head: "Customer", wide: true, cell: ({ customerId }) => <PayerName id={customerId ?? null} /> },
        { head: "Quantity", align: "end", cell: (total) => <Quantity of={total} /> },
      ]}
    />
  );
}

import type { AgentCost, CostPreview } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { addDecimals, money, unitPrice, whole } from "../format.ts";
import { costsQuery, readWhole, type Whole } from "../queries.ts";
import { may, useSession } from "../session.ts";
import { InvoiceLines } from "./invoice-lines.tsx";
import { AgentName, MeterName, PayerName } from "./names.tsx";
import { Section } from "./page.tsx";
import { Empty, Loaded } from "./states.tsx";
import { Table } from "./table.tsx";
import { Money } from "./values.tsx";

const SHOWN = 5;
const AGENTS_SHOWN = 10;

/** The sums of a list in each of its currencies; of a list that goes on, that they are the least. */
export function sums(rows: readonly { total: string; currency: string }[], goesOn: boolean): string {
  const currencies = [...new Set(rows.map(({ currency }) => currency))];
  const texts = currencies.map((currency) =>
    money(addDecimals(rows.filter((row) => row.currency === currency).map(({ total }) => total)), currency),
  );
  return texts.length === 0 ? "None" : `${texts.join(" + ")}${goesOn ? " and more" : ""}`;
}

/** The payers whose invoices would be highest if the period was closed now. */
export function TopCosts({ costs: { rows, goesOn } }: { readonly costs: Whole<CostPreview> }) {
  const highest = rows.toSorted((a, b) => Number(b.total) - Number(a.total)).slice(0, SHOWN);
  if (highest.length === 0) return <Empty title="Nothing costs anything yet." />;
  return (
    <>
      <Table
        label="Payers with the highest cost so far"
        rows={highest}
        rowKey={({ customerId }) => customerId ?? "own"}
        columns={[
          { head: "Payer", wide: true, cell: ({ customerId }) => <PayerName id={customerId} /> },
          {
            head: "Cost so far",
            align: "end",
            cell: ({ total, currency }) => <Money amount={total} currency={currency} />,
          },
        ]}
      />
      {goesOn && <p className="muted small">Of the first {whole(rows.length)} payers.</p>}
    </>
  );
}

/** One payer's cost in the period that runs: the lines of its invoice, and which agents it is of. */
export function CustomerCost({ customerId }: { readonly customerId: string }) {
  const session = useSession();
  const costs = useQuery({ ...costsQuery({ customerId }), enabled: may(session, "billing:read") });
  if (!may(session, "billing:read")) return null;
  return (
    <Section title="Cost so far">
      <Loaded query={costs} rows={3}>
        {({ rows: [cost] }) =>
          cost === undefined || (cost.lines.length === 0 && cost.minimum === undefined) ? (
            <Empty title="It used nothing in the period that runs." />
          ) : (
            <>
              <p className="muted small">
                {cost.invoiceId === null
                  ? "What its invoice would say if the period that runs was closed now, without tax."
                  : "As its invoice of this period says."}
              </p>
              <InvoiceLines label="Cost so far by meter" of={cost} />
              {cost.invoiceId === null && <AgentCosts customerId={customerId} />}
            </>
          )
        }
      </Loaded>
    </Section>
  );
}

function AgentCosts({ customerId }: { readonly customerId: string }) {
  const query = useQuery({
    ...readWhole<AgentCost>("/api/v1/billing/preview/agents", { customerId }),
    refetchInterval: 15_000,
  });
  return (
    <Loaded query={query} rows={2}>
      {({ rows }) => (
        <>
          <Table
            label="Cost so far by agent"
            rows={rows.toSorted((a, b) => Number(b.cost) - Number(a.cost)).slice(0, AGENTS_SHOWN)}
            rowKey={({ agentId, meterName }) => `${agentId} ${meterName}`}
            columns={[
              { head: "Agent", wide: true, cell: ({ agentId }) => <AgentName id={agentId} /> },
              { head: "Meter", cell: ({ meterName }) => <MeterName name={meterName} /> },
              {
                head: "Quantity",
                align: "end",
                cell: ({ used, adjusted }) => whole(addDecimals([used, adjusted])),
              },
              {
                head: "Part of the cost",
                align: "end",
                cell: ({ cost, currency }) => unitPrice(cost, currency),
              },
            ]}
          />
          {rows.length > AGENTS_SHOWN && (
            <p className="muted small">The {whole(AGENTS_SHOWN)} with the highest cost are shown.</p>
          )}
        </>
      )}
    </Loaded>
  );
}

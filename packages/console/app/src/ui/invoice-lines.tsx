import type { InvoiceLine } from "@licentric/contract";
import { unitPrice } from "../format.ts";
import { MeterName } from "./names.tsx";
import { Table } from "./table.tsx";
import { Money, Name, None, Quantity } from "./values.tsx";

/** Lines of an invoice, or of one that would be made now, with their sum. */
export function InvoiceLines({
  label,
  lines,
  currency,
  total,
}: {
  readonly label: string;
  readonly lines: readonly InvoiceLine[];
  readonly currency: string;
  readonly total: string;
}) {
  return (
    <>
      <Table
        label={label}
        rows={lines}
        rowKey={({ meterName }) => meterName}
        columns={[
          { head: "What", wide: true, cell: ({ description }) => <Name lines={2}>{description}</Name> },
          { head: "Meter", cell: ({ meterName }) => <MeterName name={meterName} /> },
          { head: "Quantity", align: "end", cell: (line) => <Quantity of={line} /> },
          {
            head: "Each",
            align: "end",
            cell: (line) =>
              line.unitPrice === null ? <None>By its price</None> : unitPrice(line.unitPrice, currency),
          },
          {
            head: "Amount",
            align: "end",
            cell: ({ amount }) => <Money amount={amount} currency={currency} />,
          },
        ]}
      />
      <p className="sum">
        <span>Total</span> <Money amount={total} currency={currency} />
      </p>
    </>
  );
}

import type { Invoice } from "@licentric/contract";
import { unitPrice } from "../format.ts";
import { MeterName } from "./names.tsx";
import { Table } from "./table.tsx";
import { Money, Name, None, Quantity } from "./values.tsx";

interface InvoiceLinesProps {
  readonly label: string;
  readonly of: Pick<Invoice, "lines" | "currency" | "subtotal" | "discount" | "minimum" | "total">;
}

/** Lines of an invoice, or of one that would be made now, with discount, minimum and their sum. */
export function InvoiceLines({
  label,
  of: { lines, currency, subtotal, discount, minimum, total },
}: InvoiceLinesProps) {
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
      {subtotal !== undefined && <Sum what="Lines" amount={subtotal} currency={currency} />}
      {discount !== undefined && (
        <Sum what={discount.description} amount={`-${discount.amount}`} currency={currency} />
      )}
      {minimum !== undefined && (
        <Sum what={minimum.description} amount={minimum.amount} currency={currency} />
      )}
      <p className="sum">
        <span>Total</span> <Money amount={total} currency={currency} />
      </p>
    </>
  );
}

/** A part of the total below the lines. */
function Sum({
  what,
  amount,
  currency,
}: {
  readonly what: string;
  readonly amount: string;
  readonly currency: string;
}) {
  return (
    <p className="sum part">
      <Name lines={2}>{what}</Name> <Money amount={amount} currency={currency} />
    </p>
  );
}

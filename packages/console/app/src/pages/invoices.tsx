import type { Invoice } from "@licentric/contract";
import { getRouteApi } from "@tanstack/react-router";
import { useList } from "../queries.ts";
import { INVOICE_COLUMNS } from "../ui/invoice-table.tsx";
import { List } from "../ui/list-page.tsx";
import { Page } from "../ui/page.tsx";
import { Command, Empty } from "../ui/states.tsx";

const route = getRouteApi("/invoices");

/** All invoices, newest first. */
export default function Invoices() {
  const search = route.useSearch();
  const query = useList<Invoice>("/api/v1/billing/invoices", { cursor: search.cursor });
  return (
    <Page title="Invoices" lead="One for each payer of a period with usage.">
      <List
        query={query}
        label="Invoices"
        search={search}
        rowKey={({ id }) => id}
        columns={INVOICE_COLUMNS}
        empty={
          <Empty title="No invoices yet.">
            <p>On the first of a month, this closes the month before and makes the invoices of all payers:</p>
            <Command>{"npx licentric close previous --yes && npx licentric invoice create previous"}</Command>
          </Empty>
        }
      />
    </Page>
  );
}

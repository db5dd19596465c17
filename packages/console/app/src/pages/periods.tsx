import type { BillingPeriod } from "@licentric/contract";
import { getRouteApi, Link } from "@tanstack/react-router";
import { whole } from "../format.ts";
import { useList } from "../queries.ts";
import { List } from "../ui/list-page.tsx";
import { Page } from "../ui/page.tsx";
import { PeriodBadge, usePeriodDays } from "../ui/period.tsx";
import { Empty } from "../ui/states.tsx";
import { None, Time } from "../ui/values.tsx";

const route = getRouteApi("/periods");

/** Months of usage. */
export default function Periods() {
  const search = route.useSearch();
  const daysOf = usePeriodDays();
  const query = useList<BillingPeriod>("/api/v1/billing/periods", { cursor: search.cursor });
  return (
    <Page
      title="Periods"
      lead="Months of usage. One that is closed takes no more of it, and can be invoiced."
    >
      <List
        query={query}
        label="Periods"
        search={search}
        rowKey={({ id }) => id}
        columns={[
          {
            head: "Month",
            wide: true,
            cell: (period) => (
              <Link to="/periods/$periodId" params={{ periodId: period.id }}>
                {daysOf(period).month}
              </Link>
            ),
          },
          { head: "Days", cell: (period) => daysOf(period).days },
          { head: "Status", cell: (period) => <PeriodBadge period={period} /> },
          {
            head: "Events",
            align: "end",
            cell: ({ totals }) => whole(totals.reduce((count, { eventCount }) => count + eventCount, 0)),
          },
          {
            head: "Closed",
            cell: ({ closedAt }) => (closedAt === null ? <None>Not yet</None> : <Time at={closedAt} />),
          },
        ]}
        empty={<Empty title="No periods yet.">The first one begins with the first usage.</Empty>}
      />
    </Page>
  );
}

import type { BillingPeriod } from "@licentric/contract";
import { day, month } from "../format.ts";
import { useMoneyAndTime } from "../queries.ts";
import { Badge } from "./values.tsx";

/** The state of a period, in a word. */
export function PeriodBadge({ period }: { readonly period: BillingPeriod }) {
  if (period.status === "closed") return <Badge tone="good">Closed</Badge>;
  const over = Date.parse(period.endsAt) <= Date.now();
  return over ? <Badge tone="warn">Over, not closed</Badge> : <Badge tone="accent">Running</Badge>;
}

/** Month and days of a period, in its own time zone. */
export function usePeriodDays(): (period: BillingPeriod) => {
  readonly month: string;
  readonly days: string;
} {
  const { timeZone: ofAccount } = useMoneyAndTime();
  return ({ startsAt, endsAt, closedAt, timeZone = ofAccount }) => {
    // One that was closed early ended then.
    const end = Math.min(
      Date.parse(endsAt),
      closedAt === null ? Number.POSITIVE_INFINITY : Date.parse(closedAt),
    );
    return {
      month: month(startsAt, timeZone),
      days: `${day(startsAt, timeZone)} to ${day(new Date(end - 1), timeZone)}`,
    };
  };
}

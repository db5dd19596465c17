import type { BillingPeriod } from "@licentric/sdk";
import { fields, table } from "../terminal/table.ts";
import { shownParts, shownQuantity } from "./quantity.ts";
import { shownStatus } from "./status.ts";
import { shownTime } from "./time.ts";

/** A period with its totals, for people. */
export function periodView(period: BillingPeriod): string {
  const { id, status, startsAt, endsAt, closedAt, totals } = period;
  const known = fields([
    ["id", id],
    ["status", shownStatus(status)],
    ["starts", shownTime(startsAt)],
    ["ends", shownTime(endsAt)],
    ["closed", shownTime(closedAt)],
  ]);
  // The hosted service promises a period's id alone.
  if (totals === undefined) return known;
  if (totals.length === 0) return `${known}\nNo usage.\n`;
  const isAdjusted = totals.some(({ parts }) => parts !== undefined);
  const rows = totals.map((total) => [
    total.meterName,
    shownQuantity(total),
    total.eventCount,
    ...(isAdjusted ? [shownParts(total.parts)] : []),
  ]);
  return `${known}\n${table(["METER", "QUANTITY", "EVENTS", ...(isAdjusted ? ["MADE OF"] : [])], rows)}`;
}

/** The start and end of a period in a few words, or its id where they are not known. */
export function shownSpan({ id, startsAt, endsAt }: BillingPeriod): string {
  return startsAt && endsAt ? `${shownTime(startsAt)} to ${shownTime(endsAt)}` : id;
}

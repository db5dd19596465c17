import type { BillingPeriod, Licentric } from "@licentric/sdk";
import { CommandError, EXIT } from "./exit-codes.ts";
import { onlyOne } from "./ids.ts";

/** The help text of an argument that {@link readPeriod} reads. */
export const PERIOD_NAMES =
  "its id, its month as 2026-11, `previous` for the last one that is over, or `current`";

const MONTH = /^\d{4}-\d\d$/;

/**
 * Reads a period by its id or its month, the one that takes usage now where it is called `current`, or the last one
 * that is over where it is called `previous`.
 *
 * @throws CommandError where none is over yet, no period is of the month, or several are
 */
export function readPeriod(client: Licentric, name: string): PromiseLike<BillingPeriod> {
  if (name === "current") return client.billing.getCurrentPeriod();
  if (name === "previous") return readPreviousPeriod(client);
  return MONTH.test(name) ? readPeriodOfMonth(client, name) : client.billing.getPeriod(name);
}

/** A period's id where it may have a name: one that is an id already costs no request. */
export async function periodIdOf(client: Licentric, name: string): Promise<string> {
  const isName = name === "current" || name === "previous" || MONTH.test(name);
  return isName ? (await readPeriod(client, name)).id : name;
}

/** By the API's clock alone: over is what ended before the current one began. */
async function readPreviousPeriod(client: Licentric): Promise<BillingPeriod> {
  const { startsAt } = await client.billing.getCurrentPeriod();
  for await (const period of client.billing.listPeriods()) {
    if (startsAt && period.endsAt && Date.parse(period.endsAt) <= Date.parse(startsAt)) return period;
  }
  throw new CommandError(
    "No period is over yet. `licentric period list` shows those there are.",
    EXIT.notFound,
  );
}

/** A month whose first part was closed early has two periods. */
async function readPeriodOfMonth(client: Licentric, month: string): Promise<BillingPeriod> {
  const found: BillingPeriod[] = [];
  for await (const period of client.billing.listPeriods({ limit: 100 })) {
    const middle = middleOf(period);
    if (middle !== undefined && monthOf(middle, period.timeZone) === month) found.push(period);
  }
  onlyOne(
    found.map(({ id }) => id),
    `periods are of ${month}`,
  );
  const [period] = found;
  if (period !== undefined) return period;
  throw new CommandError(
    `No period is of ${month}. \`licentric period list\` shows those there are.`,
    EXIT.notFound,
  );
}

/**
 * The moment in the middle of a period: a first day that is longer or shorter, because the period before was in another
 * time zone, does not move it into another month.
 */
function middleOf({ startsAt, endsAt }: BillingPeriod): Date | undefined {
  if (!startsAt || !endsAt) return undefined;
  return new Date((Date.parse(startsAt) + Date.parse(endsAt)) / 2);
}

function monthOf(moment: Date, timeZone = "UTC"): string {
  const parts = new Intl.DateTimeFormat("en", { timeZone, year: "numeric", month: "2-digit" }).formatToParts(
    moment,
  );
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? "";
  return `${part("year")}-${part("month")}`;
}

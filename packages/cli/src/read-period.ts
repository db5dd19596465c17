import type { BillingPeriod, Licentric } from "@licentric/sdk";
import { CommandError, EXIT } from "./exit-codes.ts";

/** The help text of an argument that {@link readPeriod} reads. */
export const PERIOD_NAMES = "its id, `previous` for the last one that is over, or `current`";

/**
 * Reads a period by its id, the one that takes usage now where it is called `current`, or the last one that is over
 * where it is called `previous`.
 *
 * @throws CommandError where none is over yet
 */
export function readPeriod(client: Licentric, name: string): PromiseLike<BillingPeriod> {
  if (name === "current") return client.billing.getCurrentPeriod();
  return name === "previous" ? readPreviousPeriod(client) : client.billing.getPeriod(name);
}

/** A period's id where it may have a name: one that is an id already costs no request. */
export async function periodIdOf(client: Licentric, name: string): Promise<string> {
  return name === "current" || name === "previous" ? (await readPeriod(client, name)).id : name;
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

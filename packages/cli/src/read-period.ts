import type { BillingPeriod, Licentric } from "@licentric/sdk";

/** Reads a period by its id, or the one that takes usage now where it is called `current`. */
export function readPeriod(client: Licentric, idOrCurrent: string): PromiseLike<BillingPeriod> {
  return idOrCurrent === "current"
    ? client.billing.getCurrentPeriod()
    : client.billing.getPeriod(idOrCurrent);
}

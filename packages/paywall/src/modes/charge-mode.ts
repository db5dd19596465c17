import type { Teller } from "../billing/billing-client.ts";
import type { Order } from "../billing/charge-context.ts";
import type { Admission, Admissions } from "../call/authorized-call.ts";
import type { Bill } from "../pricing/price-call.ts";
import type { Offline } from "./offline.ts";

/** One way of charging for calls that cost something. */
export interface ChargeMode {
  /**
   * Lets a call in, and bills it now or once it has run.
   *
   * @throws Refused where it may not run; the signal's reason where it was cancelled before anything was billed
   */
  authorize(order: Order, price: Bill): Promise<Admission>;
}

/** What the modes need. */
export interface ModeParts {
  readonly teller: Teller;
  readonly admissions: Admissions;
  readonly offline: Offline;
  /** Bill by the journal what needs no answer. */
  readonly background: boolean;
}

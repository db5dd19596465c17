import type { Call } from "../call/call.ts";
import type { Policy } from "../pricing/charge-options.ts";
import type { Line } from "../pricing/price-call.ts";
import type { RecordedUsage } from "./receipt.ts";

/** A call on its way to being billed. */
export interface ChargeContext {
  readonly call: Call;
  readonly policy: Policy;
  readonly token: string;
  /** The price as computed before the handler runs; undefined where that is nothing, or not known yet. */
  readonly price: Line | undefined;
  /** True if the handler has run: what is asked now goes before the agent's calls that have not begun. */
  readonly settles: boolean;
  /** Collects the usage that is recorded for the call, whichever of its requests does so. */
  readonly recorded: RecordedUsage[];
}

import type { Call } from "../credential/call.ts";
import type { Policy } from "../pricing/charge-options.ts";
import type { Line } from "../pricing/price-call.ts";
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

/** Usage that was recorded for a call, or is in the journal. */
export interface RecordedUsage extends Line {
  /** The event's idempotency key, one for each of the agent's events. */
  readonly idempotencyKey: string;
}

/** The usage that a call was billed for. */
export interface Receipt {
  /** The meter that counted the call. */
  readonly meterName: string;
  /** Units that were billed, in all. */
  readonly quantity: number;
  /**
   * The usage events that the units are on: one, but for a call that used more than it had reserved, or that used up what
   * its agent was billed for without a result. An event is found by its agent and its `idempotencyKey`, which is known
   * before the event is delivered; of an event that paid for several calls, `quantity` is this call's part.
   */
  readonly events: readonly { readonly idempotencyKey: string; readonly quantity: number }[];
}

/** Makes the receipt of what was recorded for a call; undefined where that is nothing. */
export function toReceipt(recorded: readonly RecordedUsage[]): Receipt | undefined {
  const [first] = recorded;
  if (first === undefined) return undefined;
  return {
    meterName: first.meterName,
    quantity: recorded.reduce((sum, { quantity }) => sum + quantity, 0),
    events: recorded.map(({ idempotencyKey, quantity }) => ({ idempotencyKey, quantity })),
  };
}

import { digest } from "../util/digest.ts";
import type { ChargeContext } from "./charge-context.ts";
import type { Recorded } from "./gateway.ts";

/**
 * The key that usage is billed under where the agent has named its call: bound to what is called for how much with which
 * arguments, so that nothing else can be had for it. It names neither the agent nor its token. The API keeps each
 * agent's keys apart, and the agent may come with another token when it tries again.
 *
 * The price is that of before the handler: what that used may be another quantity the next time, and is the same call's.
 */
export function agentBillingKey({ call, price }: ChargeContext): string | undefined {
  if (typeof call.agentKey !== "string") return undefined;
  return digest(call.agentKey, call.binding(), call.round(), price?.meterName, price?.quantity);
}

/**
 * Names calls that cost the same before their handlers: usage that may have been recorded for one of an agent's pays for
 * another, whatever each of them used.
 */
export function priceName({ call: { kind, name }, price }: ChargeContext): string {
  return JSON.stringify([kind, name, price?.meterName, price?.quantity]);
}

/** Earlier tries to record usage under a key, in milliseconds ago. */
export interface Tries {
  readonly first: number;
  /** The time at which the last one was given up. */
  readonly last: number;
}

/** Tries from one time to another, as of now; undefined where there was none before. */
export function triesOf(first: number, last: number | undefined, now: number): Tries | undefined {
  return last === undefined ? undefined : { first: now - first, last: now - last };
}

/** Milliseconds by which the clocks of an API's own processes may differ. */
const CLOCK_SKEW = 2_000;

/** Returns whether an event was recorded for an earlier call with its key, and not by one of this call's own tries. */
export function isOfEarlierCall(event: Recorded | undefined, tries: Tries | undefined): boolean {
  if (event?.duplicate !== true) return false;
  if (tries === undefined) return true;
  const { age } = event;
  return age !== undefined && (age > tries.first + CLOCK_SKEW || age < tries.last - CLOCK_SKEW);
}

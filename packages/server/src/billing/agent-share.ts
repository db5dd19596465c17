import Big from "big.js";
import { type BilledUsage, lineCost } from "./invoice-lines.ts";

/** A share has at most as many decimals as a price. */
const Share = Big();
Share.DP = 12;
Share.RM = Big.roundHalfUp;

/**
 * Returns the part of a payer's cost of a meter that one agent's quantity is: a decimal text with at most 12 decimals. It
 * is a part of what the line costs before it is rounded, so that many small ones still say something. Without
 * adjustments that exceed the usage, the parts of all agents add up to that cost. An agent of whom more is taken away
 * than it used has a negative part.
 *
 * @param line what the payer is billed of the meter; undefined where the invoice has no line of it.
 */
export function agentShare(
  line: BilledUsage | undefined,
  { used, adjusted }: { readonly used: string; readonly adjusted: string },
): string {
  if (line === undefined) return "0";
  const { parts, quantity } = line;
  const all = parts === undefined ? BigInt(quantity) : BigInt(parts.used) + BigInt(parts.adjusted);
  if (all <= 0n) return "0";
  const own = BigInt(used) + BigInt(adjusted);
  const share = new Share(lineCost(line)).times(own.toString()).div(all.toString());
  return share.eq(0) ? "0" : share.toFixed();
}

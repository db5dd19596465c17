import Big from "big.js";
import { type BilledUsage, lineCost } from "./invoice-lines.ts";

/** A share has at most as many decimals as a price. */
const Share = Big();
Share.DP = 12;
Share.RM = Big.roundHalfUp;

/** One agent's usage of a meter, as the database writes it. */
interface AgentUsage {
  readonly used: string;
  readonly adjusted: string;
  /** Units that the agent has free alone; undefined where all agents of the payer share what is free. */
  readonly free?: bigint | undefined;
}

/**
 * Returns the part of a payer's cost of a meter that one agent's quantity is: a decimal text with at most 12 decimals. It
 * is a part of what the line costs before it is rounded, so that many small ones still say something. Without
 * adjustments that exceed the usage, the parts of all agents add up to that cost. An agent of whom more is taken away
 * than it used has a negative part. Where agents have free units alone, those that are charged count.
 *
 * @param line what the payer is billed of the meter; undefined where the invoice has no line of it.
 */
export function agentShare(line: BilledUsage | undefined, { used, adjusted, free }: AgentUsage): string {
  if (line === undefined) return "0";
  const { parts, quantity, free: freeOfLine = 0n } = line;
  const isAlone = free !== undefined && freeOfLine < BigInt(quantity);
  const [freeOfAll, freeOfOwn] = isAlone ? [freeOfLine, free] : [0n, 0n];
  const all = parts === undefined ? BigInt(quantity) : BigInt(parts.used) + BigInt(parts.adjusted);
  if (all <= 0n) return "0";
  const own = BigInt(used) + BigInt(adjusted);
  const share = new Share(lineCost(line))
    .times((own - freeOfOwn).toString())
    .div((all - freeOfAll).toString());
  return share.eq(0) ? "0" : share.toFixed();
}

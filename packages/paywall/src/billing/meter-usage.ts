import { randomUUID } from "node:crypto";
import { agentNameOf, type Caller } from "../credential/caller.ts";
import type { Line } from "../pricing/price-call.ts";
import { mayBeRecorded, RefusedError } from "../refusal/refused-error.ts";
import { agentBillingKey, priceName } from "./billing-key.ts";
import {
  type BillingParts,
  conditions,
  emitMetered,
  record,
  reportFailure,
  senderOf,
  verify,
} from "./billing-requests.ts";
import type { ChargeContext } from "./charge-context.ts";
import { openCredit, orPutBack } from "./credits.ts";
import type { Sender, Sent } from "./unserved.ts";

/** The agent that was billed. */
export interface Metered {
  readonly caller: Caller;
  /** True if the key that its agent has named it by was recorded before: by a try of its own, or for another call. */
  readonly isRepeated: boolean;
}

/**
 * Verifies a caller and bills it, in one request.
 *
 * @param known - who calls, where that was found out already
 */
export async function meter(
  parts: BillingParts,
  context: ChargeContext,
  line: Line,
  known?: Caller,
): Promise<Metered> {
  const own = agentBillingKey(context);
  if (own !== undefined) {
    const from = await senderOf(parts, context, own, known);
    return meterNamed(parts, context, line, own, from);
  }
  const credit = openCredit(parts, context, await senderOf(parts, context, priceName(context), known));
  await credit.lookUp(context, line.quantity);
  await credit.recordDue(context, line, conditions(context.policy), true);
  const caller = credit.caller() ?? known ?? (await orPutBack(credit, verify(parts, context)));
  credit.spend(context, caller, line);
  return { caller, isRepeated: false };
}

/** Bills a call under the key that its agent has named it by. */
async function meterNamed(
  parts: BillingParts,
  context: ChargeContext,
  line: Line,
  own: string,
  from: Sender,
): Promise<Metered> {
  const { unserved, now } = parts;
  const left = unserved.take(own, from);
  const at = left?.sent.at ?? now();
  try {
    const tries = { key: own, at, until: left?.sent.until };
    const recorded = await record(parts, context, line, tries, conditions(context.policy));
    const { caller, duplicate, wasRecorded } = recorded;
    if (wasRecorded) left?.confirm();
    emitMetered(parts, context, caller, line, own, { duplicate, pending: false });
    return { caller, isRepeated: duplicate };
  } catch (error) {
    const isLost = mayBeRecorded(error) || (error instanceof RefusedError && left !== undefined);
    const sent = { key: own, at, until: now(), quantities: [line.quantity], state: "recording" } as const;
    if (isLost) unserved.put(own, sent, from);
    throw error;
  }
}

/** Appends usage to the journal; records it by a request where the journal takes no more. */
export async function enqueue(
  parts: BillingParts,
  context: ChargeContext,
  caller: Caller,
  line: Line,
): Promise<void> {
  const { unserved } = parts;
  const name = priceName(context);
  const sender = { tokenHash: context.call.tokenHash, agent: agentNameOf(caller) };
  const sent = sentBefore(parts, name, sender, line) ?? firstSent(parts, line);
  const idempotencyKey = sent.key;
  try {
    if (parts.journal === undefined) throw new TypeError("this paywall keeps no journal");
    const journal = await parts.journal();
    const { agentId } = caller;
    await journal.append({ idempotencyKey, timestamp: new Date().toISOString(), agentId, ...line });
  } catch (error) {
    const reason = "usage could not be journalled; it is recorded by a request instead";
    reportFailure(parts, context, reason, error, line);
    unserved.put(name, sent, sender);
    await meter(parts, context, line, caller);
    return;
  }
  emitMetered(parts, context, caller, line, idempotencyKey, { duplicate: false, pending: true });
}

/** Usage that may have been recorded for an earlier call. The journal cannot be told that another quantity is. */
function sentBefore({ unserved }: BillingParts, name: string, sender: Sender, line: Line): Sent | undefined {
  const isSame = ({ state, quantities }: Sent) =>
    state === "recording" && quantities.every((tried) => tried === line.quantity);
  return unserved.take(name, sender, isSame)?.sent;
}

function firstSent({ now }: BillingParts, { quantity }: Line): Sent {
  const at = now();
  return { key: randomUUID(), at, until: at, quantities: [quantity], state: "recording" };
}

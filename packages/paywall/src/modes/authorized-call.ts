import type { BillingClient } from "../billing/billing-client.ts";
import type { ChargeContext } from "../billing/charge-context.ts";
import { type RecordedUsage, toReceipt } from "../billing/charge-context.ts";
import type { Call } from "../credential/call.ts";
import { agentNameOf, type Caller } from "../credential/caller.ts";
import type { Emitter } from "../events.ts";
import type { Line } from "../pricing/price-call.ts";
import type { Refusal, RefusalCode } from "../refusal/refusal.ts";
import { RefusedError } from "../refusal/refused-error.ts";
import { digest } from "../util/digest.ts";
import type { Pool } from "../util/pool.ts";
import type { Outcome, Settlement, Usage } from "./outcome.ts";

/** A call that may run. */
export interface AuthorizedCall {
  readonly caller: Caller;
  /** True if it is billed, now or once its handler has run: a call that costs nothing pays for no others. */
  readonly isBilled: boolean;
  /** True if its usage was recorded before: the call that it paid for may have run. */
  readonly isRepeated?: boolean;
  /**
   * True if the calls of its handler are in its price: it is billed, unless it fails. A call that is priced by its result
   * may come to nothing.
   */
  readonly coversCalls: boolean;
  /** True if its run may report usage, as it is billed by that. */
  readonly mayReport: boolean;
  /**
   * Bills what is billed after the handler: once, however often it is asked to, unless that was refused.
   *
   * @param by - the repetition that has it billed, whose token is good where the first call's may not be any more
   */
  settle(usage: Usage, by?: Call): Promise<Settlement>;
}

/** Bills a handler's usage, in a context whose requests go first. */
export type Settle = (later: ChargeContext, usage: Usage) => Promise<Settlement>;

/** Names what pays for another round of a call. */
export function roundsOf(call: Call, price: Line, agentName: string): string {
  return digest(agentName, call.binding(), call.opaque(), price);
}

/** The parts that authorized calls are made of. */
export interface AuthorizedCallParts {
  readonly billing: BillingClient;
  readonly emitter: Emitter;
  /** Rounds that are paid for, by what was recorded for them. */
  readonly rounds: Pool<readonly RecordedUsage[]>;
}

/** Makes authorized calls of each kind, each of which settles once. */
export interface AuthorizedCalls {
  /** Runs something that may leave by {@link RefusedError}, and tells the listeners of it, unless its code is `quiet`. */
  orRefusal<Value>(
    context: ChargeContext,
    run: () => Promise<Value>,
    quiet?: RefusalCode,
  ): Promise<Value | Refusal>;
  /** Makes a call that costs nothing. */
  freeOfCharge(context: ChargeContext, caller: Caller): AuthorizedCall;
  /**
   * Makes a call that is paid for however it ends, with all of its rounds.
   *
   * @param pay - pays once the handler has run, where the call was not paid for before
   */
  paidBy(
    context: ChargeContext,
    price: Line,
    caller: Caller,
    pay?: (later: ChargeContext) => Promise<void>,
  ): AuthorizedCall;
  /** Makes a call that is paid for by what its handler used. */
  paidByUse(context: ChargeContext, caller: Caller, settle: Settle): AuthorizedCall;
}

/** Makes the authorized calls of one paywall. */
export function createAuthorizedCalls(parts: AuthorizedCallParts): AuthorizedCalls {
  return {
    orRefusal: (context, run, quiet) => orRefusal(parts, context, run, quiet),
    freeOfCharge: ({ policy }, caller) => ({
      caller,
      isBilled: false,
      coversCalls: false,
      mayReport: false,
      settle: async ({ outcome }) => ({ status: isKept(outcome, policy.charge) ? "settled" : "void" }),
    }),
    paidBy: (context, price, caller, pay) => paidBy(parts, context, price, caller, pay),
    paidByUse: (context, caller, settle) => ({
      caller,
      isBilled: true,
      coversCalls: context.policy.resultQuantity === undefined,
      mayReport: true,
      settle: settleOnce(parts, context, settle),
    }),
  };
}

const isKept = ({ status }: Outcome, charge: string) => status === "done" || charge === "call";

async function orRefusal<Value>(
  { billing, emitter }: AuthorizedCallParts,
  context: ChargeContext,
  run: () => Promise<Value>,
  quiet?: RefusalCode,
): Promise<Value | Refusal> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    const { refusal } = error;
    const { kind, name } = context.call;
    if (refusal.code !== quiet)
      emitter.emit("denied", { kind, name, refusal, agentId: billing.lastKnown(context)?.agentId });
    return refusal;
  }
}

function paidBy(
  parts: AuthorizedCallParts,
  context: ChargeContext,
  price: Line,
  caller: Caller,
  pay: (later: ChargeContext) => Promise<void> = async () => undefined,
): AuthorizedCall {
  // Both as they are before the handler runs, which may change what it is given.
  const agentName = agentNameOf(caller);
  context.call.opaque();
  const payOnce = settleOnce(parts, context, async (later) => {
    await pay(later);
    return { status: "settled" };
  });
  return {
    caller,
    isBilled: true,
    coversCalls: true,
    mayReport: false,
    async settle(usage, by) {
      const settlement = await payOnce(usage, by);
      if (settlement.status === "settled" && usage.outcome.status === "input_required")
        parts.rounds.put(roundsOf(context.call, price, agentName), context.recorded);
      return settlement;
    },
  };
}

/** Settles a call once: whoever asks again is told the same, and only what was refused is tried again. */
function settleOnce(
  parts: AuthorizedCallParts,
  context: ChargeContext,
  settleUsage: Settle,
): AuthorizedCall["settle"] {
  let settlement: Promise<Settlement> | undefined;
  const settle = async (usage: Usage, { token, tokenHash }: Call): Promise<Settlement> => {
    const call = { ...context.call, token, tokenHash };
    const later = { ...context, call, token: token ?? "", settles: true };
    const settled = await orRefusal(parts, later, () => settleUsage(later, usage));
    if (!("code" in settled)) return withReceipt(settled, context);
    settlement = undefined;
    return { status: "refused", refusal: settled };
  };
  return (usage, by = context.call) => (settlement ??= settle(usage, by));
}

function withReceipt(settlement: Settlement, { recorded }: ChargeContext): Settlement {
  const receipt = settlement.status === "settled" ? toReceipt(recorded) : undefined;
  return receipt === undefined ? settlement : { status: "settled", receipt };
}

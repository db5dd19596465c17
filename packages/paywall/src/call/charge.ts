import type { Caller } from "../billing/caller.ts";
import type { Emitter } from "../events.ts";
import { isQuantity, MAX_QUANTITY } from "../pricing/charge-options.ts";
import { type Links, type Refusal, refuse } from "../refusal/refusal.ts";
import type { SpanAttributes, Trace } from "../telemetry.ts";
import { type Authorizer, isRefusal } from "./authorize.ts";
import type { AuthorizedCall, Outcome, Settlement } from "./authorized-call.ts";
import type { Call } from "./call.ts";
import type { ChargedTarget, ChargeResult } from "./charged-target.ts";
import type { IdempotencyCache, IdempotencyEntry, KeptOutcome } from "./idempotency-cache.ts";
import type { InFlight } from "./in-flight.ts";
import { isRepeatable } from "./repeatable.ts";
import { createRepetitions, endEntry } from "./repetitions.ts";

/** A call that runs. */
export interface RunningCall {
  /** Who called, as the API said when it verified the credential. */
  readonly caller: Caller;
  /** Whether it is billed, now or once it has run: what costs nothing pays for nothing that it calls. */
  readonly isBilled: boolean;
  /** Whether what it calls is in its price: it is billed, unless it fails. */
  readonly coversCalls: boolean;
  /**
   * Reports units that were used. Reports add up, and are billed however the call ends, in place of its `quantity`.
   *
   * @throws TypeError where the call is not billed by its use, the quantity is no whole number, or the call was settled
   */
  reportUsage(quantity: number): void;
}

/** How a function ended. */
export type Completion =
  | { readonly status: "returned"; readonly result: unknown }
  | { readonly status: "threw"; readonly error: unknown };

/** What a run came to: what its caller, or a repetition, is given, and what that means. */
export interface FinishedRun {
  readonly completion: Completion;
  readonly outcome: Outcome;
}

/** What charging for a call came to. */
export type Charged =
  /** It did not run: it was refused, or is a repetition of an earlier one. */
  | { readonly status: "given"; readonly chargeResult: ChargeResult }
  | { readonly status: "ran"; readonly completion: Completion; readonly settlement: Settlement };

/**
 * Charges for one call: authorizes it, runs it and settles it, each once. Nothing else settles a call.
 *
 * @param run - runs for those who may; it never rejects
 * @throws what the first call of a repetition threw; the signal's reason where the call was cancelled before it ran
 */
export type ChargeCall = (
  call: Call,
  target: ChargedTarget,
  run: (running: RunningCall) => Promise<FinishedRun>,
) => Promise<Charged>;

/** Makes the function that charges for the calls of one paywall. */
export function createCharge(parts: {
  readonly authorizer: Authorizer;
  readonly cache: IdempotencyCache;
  readonly emitter: Emitter;
  readonly links: Links;
  readonly trace: Trace;
  readonly inFlight: InFlight;
}): ChargeCall {
  const { authorizer, links, trace, inFlight } = parts;
  const repetitions = createRepetitions(authorizer, parts.cache, parts.emitter, links);

  const authorizeCall = (call: Call, { kind, name, policy }: ChargedTarget) =>
    trace(
      "licentric.admit",
      { "mcp.kind": kind, "mcp.name": name, "licentric.charge": policy.charge },
      () => authorizer.authorizeCall(call, policy),
      describeAuthorized,
    );

  async function settle(
    { kind, name }: ChargedTarget,
    authorized: AuthorizedCall,
    { completion, outcome }: FinishedRun,
    reported: number | undefined,
    entry: IdempotencyEntry | undefined,
  ): Promise<Settlement> {
    const settleFor = async (by?: Call): Promise<Settlement> => {
      const settlement = await trace(
        "licentric.settle",
        { "mcp.kind": kind, "mcp.name": name, "licentric.outcome": outcome.status },
        () => authorized.settle({ outcome, reported }, by),
        (settled): Record<string, string> =>
          settled.status === "refused" ? { "licentric.refusal": settled.refusal.code } : {},
      );
      if (entry !== undefined) endEntry(entry, keptOf(completion, links), settlement, settleFor);
      return settlement;
    };
    return settleFor();
  }

  return (call, target, run) =>
    inFlight.run(async () => {
      const entered = await repetitions.authorizeCall(call, target, () => authorizeCall(call, target));
      if (!("authorized" in entered)) return { status: "given", chargeResult: entered };
      const { authorized, entry } = entered;
      const usage = createUsage(authorized);
      const { caller, isBilled, coversCalls } = authorized;
      const finished = await run({ caller, isBilled, coversCalls, reportUsage: usage.report });
      const settlement = await settle(target, authorized, finished, usage.end(), entry);
      return { status: "ran", completion: finished.completion, settlement };
    });
}

/**
 * What whoever called is given.
 *
 * @throws what the run threw, unchanged; the signal's reason where the call was cancelled and not billed
 */
export function chargeResultOf(charged: Charged): ChargeResult {
  if (charged.status === "given") return charged.chargeResult;
  const { completion, settlement } = charged;
  if (completion.status === "threw") throw completion.error;
  if (settlement.status === "cancelled") throw settlement.reason;
  return settlement.status === "refused" ? { refusal: settlement.refusal } : { result: completion.result };
}

/** How a function ended. */
export async function completionOf(run: () => unknown): Promise<Completion> {
  try {
    return { status: "returned", result: await run() };
  } catch (error) {
    return { status: "threw", error };
  }
}

/** What repetitions are given of an ending: not what whoever got it first has used up. */
function keptOf(completion: Completion, links: Links): KeptOutcome {
  if (completion.status === "threw" || isRepeatable(completion.result)) return completion;
  const message =
    "This idempotency key has paid for a call whose result cannot be given twice. To run the call again, send a new key or none. Nothing was run or charged.";
  return { status: "refused", refusal: refuse("idempotency_replay", links, { message }) };
}

/** Adds up what a run reports, until it is settled. */
function createUsage({ mayReport }: AuthorizedCall) {
  let reported: number | undefined;
  let isOver = false;
  return {
    report(quantity: number): void {
      if (!mayReport)
        throw new TypeError(
          'reportUsage: this call is not billed by its use; give it a meterName and charge: "success" or "reserve"',
        );
      if (isOver) throw new TypeError("reportUsage: this call has ended and is billed already");
      const sum = (reported ?? 0) + quantity;
      if (!isQuantity(quantity) || !isQuantity(sum))
        throw new TypeError(
          `reportUsage: a quantity is a whole number from 0, in all at most ${MAX_QUANTITY}, not ${quantity}`,
        );
      reported = sum;
    },
    end(): number | undefined {
      isOver = true;
      return reported;
    },
  };
}

function describeAuthorized(authorized: AuthorizedCall | Refusal): SpanAttributes {
  if (isRefusal(authorized)) return { "licentric.refusal": authorized.code };
  const { accountId, agentId } = authorized.caller;
  return { "licentric.account_id": accountId, "licentric.agent_id": agentId };
}

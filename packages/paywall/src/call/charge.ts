import type { Receipt } from "../billing/charge-context.ts";
import type { Call } from "../credential/call.ts";
import type { Caller } from "../credential/caller.ts";
import type { Emitter } from "../events.ts";
import type { AuthorizedCall } from "../modes/authorized-call.ts";
import type { Completion, FinishedRun, KeptOutcome, Settlement } from "../modes/outcome.ts";
import { isQuantity, MAX_QUANTITY } from "../pricing/charge-options.ts";
import { type Links, type Refusal, refuse } from "../refusal/refusal.ts";
import type { SpanAttributes, Trace } from "../telemetry.ts";
import { property } from "../util/record.ts";
import { type Authorizer, isRefusal } from "./authorizer.ts";
import type { ChargedTarget, ChargeResult } from "./charged-target.ts";
import type { IdempotencyCache, IdempotencyEntry } from "./idempotency-cache.ts";
import type { InFlight } from "./in-flight.ts";
import { createRepetitions, endEntry } from "./repetitions.ts";

/** A call that runs. */
export interface RunningCall {
  /** The agent that called, as the API said when it verified the credential. */
  readonly caller: Caller;
  /** True if it is billed, now or once it has run: a call that costs nothing pays for no others. */
  readonly isBilled: boolean;
  /** True if its own calls are in its price: it is billed, unless it fails. */
  readonly coversCalls: boolean;
  /**
   * Reports units that were used. Reports add up, and are billed however the call ends, in place of its `quantity`.
   *
   * @throws TypeError where the call is not billed by its use, the quantity is no whole number, or the call was settled
   */
  reportUsage(quantity: number): void;
}

/** The result of charging for a call. */
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

/** The parts that a charge is made of. */
export interface ChargeParts {
  readonly authorizer: Authorizer;
  readonly cache: IdempotencyCache;
  readonly emitter: Emitter;
  readonly links: Links;
  readonly trace: Trace;
  readonly inFlight: InFlight;
}

/** Makes the function that charges for the calls of one paywall. */
export function createCharge(parts: ChargeParts): ChargeCall {
  const { authorizer, trace, inFlight } = parts;
  const repetitions = createRepetitions(parts);
  return (call, target, run) =>
    inFlight.run(async () => {
      const { kind, name, policy } = target;
      const authorize = () =>
        trace(
          "licentric.authorize",
          { "mcp.kind": kind, "mcp.name": name, "licentric.charge": policy.charge },
          () => authorizer.authorizeCall(call, policy),
          describeAuthorized,
        );
      const entered = await repetitions.enter({ call, target, authorize });
      if (!("authorized" in entered)) return { status: "given", chargeResult: entered };
      const { authorized, entry } = entered;
      const { caller, isBilled, coversCalls } = authorized;
      const reports = createReports(authorized);
      const finished = await run({ caller, isBilled, coversCalls, reportUsage: reports.add });
      const settlement = await settle(parts, target, {
        authorized,
        finished,
        reported: reports.end(),
        entry,
      });
      return { status: "ran", completion: finished.completion, settlement };
    });
}

/** A call that has run. */
interface RunCall {
  readonly authorized: AuthorizedCall;
  readonly finished: FinishedRun;
  readonly reported: number | undefined;
  readonly entry: IdempotencyEntry | undefined;
}

async function settle(
  { trace, links }: ChargeParts,
  { kind, name }: ChargedTarget,
  { authorized, finished, reported, entry }: RunCall,
): Promise<Settlement> {
  const { completion, outcome } = finished;
  const settleBy = async (by?: Call): Promise<Settlement> => {
    const settlement = await trace(
      "licentric.settle",
      { "mcp.kind": kind, "mcp.name": name, "licentric.outcome": outcome.status },
      () => authorized.settle({ outcome, reported }, by),
      (settled): Record<string, string> =>
        settled.status === "refused" ? { "licentric.refusal": settled.refusal.code } : {},
    );
    if (entry !== undefined) endEntry(entry, keptOf(completion, links), settlement, settleBy);
    return settlement;
  };
  return settleBy();
}

/**
 * Returns what the caller is given.
 *
 * @throws what the run threw, unchanged; the signal's reason where the call was cancelled and not billed
 */
export function chargeResultOf(charged: Charged): ChargeResult {
  if (charged.status === "given") return charged.chargeResult;
  const { completion, settlement } = charged;
  if (completion.status === "threw") throw completion.error;
  if (settlement.status === "cancelled") throw settlement.reason;
  if (settlement.status === "refused") return { refusal: settlement.refusal };
  return { result: completion.result, receipt: receiptOf(settlement) };
}

/** Returns the receipt of a settled call that was billed; undefined where it was not. */
export function receiptOf(settlement: Settlement | undefined): Receipt | undefined {
  return settlement?.status === "settled" ? settlement.receipt : undefined;
}

/** Returns the receipt of a call that was charged for, or of the first call of a repetition; undefined where it was not billed. */
export function receiptOfCharged(charged: Charged): Receipt | undefined {
  if (charged.status === "ran") return receiptOf(charged.settlement);
  return "result" in charged.chargeResult ? charged.chargeResult.receipt : undefined;
}

/** Runs a function and returns how it ended. */
export async function completionOf(run: () => unknown): Promise<Completion> {
  try {
    return { status: "returned", result: await run() };
  } catch (error) {
    return { status: "threw", error };
  }
}

/** Returns what repetitions are given: not a value that the first caller has used up. */
function keptOf(completion: Completion, links: Links): KeptOutcome {
  if (completion.status === "threw" || isRepeatable(completion.result)) return completion;
  const message =
    "This idempotency key has paid for a call whose result cannot be given twice. To run the call again, send a new key or none. Nothing was run or charged.";
  return { status: "refused", refusal: refuse("idempotency_replay", links, { message }) };
}

/** Returns whether a value can be given twice: a stream, an iterator or a `Response` is used up by whoever gets it first. */
function isRepeatable(value: unknown): boolean {
  return (
    !(value instanceof Response) &&
    !(value instanceof ReadableStream) &&
    !["pipe", "next"].some((name) => typeof property(value, name) === "function") &&
    typeof property(value, Symbol.asyncIterator) !== "function"
  );
}

/** Adds up what a run reports, until it is settled. */
function createReports({ mayReport }: AuthorizedCall) {
  let reported: number | undefined;
  let isOver = false;
  return {
    add(quantity: number): void {
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

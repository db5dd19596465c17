import type { Caller } from "../billing/caller.ts";
import type { Emitter } from "../events.ts";
import { isQuantity, MAX_QUANTITY } from "../pricing/charge-options.ts";
import { type Links, type Refusal, refuse } from "../refusal/refusal.ts";
import type { SpanAttributes, Trace } from "../telemetry.ts";
import { type Authorize, isRefusal } from "./authorize.ts";
import type { Admission, Outcome, Settlement } from "./authorized-call.ts";
import type { Call } from "./call.ts";
import type { Gate, Passage } from "./charged-target.ts";
import type { Ending, Replays, Slot } from "./idempotency-cache.ts";
import type { UnderWay } from "./in-flight.ts";
import { isRepeatable } from "./repeatable.ts";
import { createRepetitions, endSlot } from "./repetitions.ts";

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

/** What a run came to: what its caller, or a repetition, is given, and what that means. */
export interface Ran {
  readonly ending: Extract<Ending, { readonly status: "returned" | "threw" }>;
  readonly outcome: Outcome;
}

/** What charging for a call came to. */
export type Charged =
  /** It did not run: it was refused, or is a repetition of an earlier one. */
  | { readonly status: "given"; readonly passage: Passage }
  | { readonly status: "ran"; readonly ending: Ran["ending"]; readonly settlement: Settlement };

/**
 * Charges for one call: authorizes it, runs it and settles it, each once. Nothing else settles a call.
 *
 * @param run - runs for those who may; it never rejects
 * @throws what the first call of a repetition threw; the signal's reason where the call was cancelled before it ran
 */
export type ChargeCall = (
  call: Call,
  gate: Gate,
  run: (running: RunningCall) => Promise<Ran>,
) => Promise<Charged>;

/** Makes the function that charges for the calls of one paywall. */
export function createCharge(parts: {
  readonly authorize: Authorize;
  readonly replays: Replays;
  readonly emitter: Emitter;
  readonly links: Links;
  readonly trace: Trace;
  readonly underWay: UnderWay;
}): ChargeCall {
  const { authorize, links, trace, underWay } = parts;
  const repetitions = createRepetitions(authorize, parts.replays, parts.emitter, links);

  const admit = (call: Call, { kind, name, policy }: Gate) =>
    trace(
      "licentric.admit",
      { "mcp.kind": kind, "mcp.name": name, "licentric.charge": policy.charge },
      () => authorize.admit(call, policy),
      describeAdmission,
    );

  async function settle(
    { kind, name }: Gate,
    admission: Admission,
    { ending, outcome }: Ran,
    reported: number | undefined,
    slot: Slot | undefined,
  ): Promise<Settlement> {
    const settleFor = async (by?: Call): Promise<Settlement> => {
      const settlement = await trace(
        "licentric.settle",
        { "mcp.kind": kind, "mcp.name": name, "licentric.outcome": outcome.status },
        () => admission.settle({ outcome, reported }, by),
        (settled): Record<string, string> =>
          settled.status === "refused" ? { "licentric.refusal": settled.refusal.code } : {},
      );
      if (slot !== undefined) endSlot(slot, keptOf(ending, links), settlement, settleFor);
      return settlement;
    };
    return settleFor();
  }

  return (call, gate, run) =>
    underWay.run(async () => {
      const admitted = await repetitions.admit(call, gate, () => admit(call, gate));
      if (!("admission" in admitted)) return { status: "given", passage: admitted };
      const { admission, slot } = admitted;
      const usage = createUsage(admission);
      const { caller, isBilled, coversCalls } = admission;
      const ran = await run({ caller, isBilled, coversCalls, reportUsage: usage.report });
      const settlement = await settle(gate, admission, ran, usage.end(), slot);
      return { status: "ran", ending: ran.ending, settlement };
    });
}

/**
 * What whoever called is given.
 *
 * @throws what the run threw, unchanged; the signal's reason where the call was cancelled and not billed
 */
export function passageOf(charged: Charged): Passage {
  if (charged.status === "given") return charged.passage;
  const { ending, settlement } = charged;
  if (ending.status === "threw") throw ending.error;
  if (settlement.status === "cancelled") throw settlement.reason;
  return settlement.status === "refused" ? { refusal: settlement.refusal } : { result: ending.result };
}

/** How a function ended. */
export async function endingOf(run: () => unknown): Promise<Ran["ending"]> {
  try {
    return { status: "returned", result: await run() };
  } catch (error) {
    return { status: "threw", error };
  }
}

/** What repetitions are given of an ending: not what whoever got it first has used up. */
function keptOf(ending: Ran["ending"], links: Links): Ending {
  if (ending.status === "threw" || isRepeatable(ending.result)) return ending;
  const message =
    "This idempotency key has paid for a call whose result cannot be given twice. To run the call again, send a new key or none. Nothing was run or charged.";
  return { status: "refused", refusal: refuse("idempotency_replay", links, { message }) };
}

/** Adds up what a run reports, until it is settled. */
function createUsage({ mayReport }: Admission) {
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

function describeAdmission(admission: Admission | Refusal): SpanAttributes {
  if (isRefusal(admission)) return { "licentric.refusal": admission.code };
  const { accountId, agentId } = admission.caller;
  return { "licentric.account_id": accountId, "licentric.agent_id": agentId };
}

import type {
  Admission,
  Call,
  Ending,
  Gate,
  Outcome,
  Passage,
  Policy,
  Refusal,
  Settlement,
  Slot,
  Trace,
} from "@licentric/paywall/adapter";
import { endSlot } from "@licentric/paywall/adapter";
import { outcomeOf, withWarning } from "./outcome.ts";

/**
 * A request whose outcome is known only further out than its handlers: after the SDK has checked the result, and after
 * whatever else wraps it. Handlers that run inside of it are settled by whoever opened it.
 */
export interface RequestScope {
  /** The protected server that is asked. */
  readonly server: object;
  readonly kind: Gate["kind"];
  /**
   * What the client asked for, by the name that it is registered with: the gate of this name is settled with the
   * request, any other one by itself.
   */
  readonly name: string | undefined;
  /** Arguments as the client sent them: a schema's defaults must not make one call look like two. */
  readonly sentArgs: unknown;
  /** What was asked for, once it was let in: whoever else stands before it in this request lets it through. */
  running: Running | undefined;
  /** What was asked for, once it has run. */
  pending: Pending | undefined;
  /** Set where its gate refused. */
  refusal: Refusal | undefined;
  /** The request is answered: nobody settles any more what runs now. */
  isOver: boolean;
}

/** A handler that has run and is not settled yet. */
export interface Pending {
  readonly result: unknown;
  /** Bills what is billed afterwards, and says whether the result may be delivered. */
  settle(outcome: Outcome): Promise<Settlement>;
}

/** Something that a server serves, behind its policy. */
export interface ServedGate extends Gate {
  /**
   * The owner's policy of what a server serves, where this stands before that and so before what a request can ask for;
   * undefined around a single handler. One call passes gates of the same policy as one.
   */
  readonly serves?: Policy;
}

/** A call that was let in. */
export interface Running {
  readonly gate: ServedGate;
  /** What its gate was passed with. */
  readonly args: unknown;
  readonly requestId: unknown;
  readonly admission: Admission;
  readonly slot: Slot | undefined;
}

/**
 * Runs the handler of a call that was let in, and settles it; where its request has a scope, whoever opened that does.
 *
 * @throws what the handler throws, unchanged; the signal's reason where the call was cancelled and not billed
 */
export async function finish(
  gate: ServedGate,
  { admission, slot }: Running,
  scope: RequestScope | undefined,
  trace: Trace,
  run: () => unknown,
): Promise<Passage> {
  const settle = async (outcome: Outcome, ending: Ending, by?: Call): Promise<Settlement> => {
    const settlement = await trace(
      "licentric.settle",
      { "mcp.kind": gate.kind, "mcp.name": gate.name, "licentric.outcome": outcome.status },
      () => admission.settle(outcome, by),
      (settled): Record<string, string> =>
        settled.status === "refused" ? { "licentric.refusal": settled.refusal.code } : {},
    );
    if (slot !== undefined) endSlot(slot, ending, settlement, (again) => settle(outcome, ending, again));
    return settlement;
  };
  let result: unknown;
  try {
    result = withWarning(await run(), gate.policy, admission.caller.budget);
  } catch (error) {
    const settleFailure = () => settle({ status: "failed" }, { status: "threw", error });
    if (scope === undefined) await settleFailure();
    else scope.pending = { result: undefined, settle: settleFailure };
    throw error;
  }
  const ending: Ending = { status: "returned", result };
  if (scope !== undefined) {
    scope.pending = { result, settle: (outcome) => settle(outcome, ending) };
    return { result };
  }
  const settlement = await settle(outcomeOf(result, result), ending);
  if (settlement.status === "cancelled") throw settlement.reason;
  return settlement.status === "refused" ? { refusal: settlement.refusal } : { result };
}

import type { Receipt } from "../billing/charge-context.ts";
import type { Call } from "../credential/call.ts";
import type { Refusal } from "../refusal/refusal.ts";

/** The result of a function, returned or thrown. */
export type Completion =
  | { readonly status: "returned"; readonly result: unknown }
  | { readonly status: "threw"; readonly error: unknown };

/** The meaning of a run, for its charge. */
export type Outcome =
  | { readonly status: "done"; readonly result: unknown }
  /** It threw, or its result is an error. */
  | { readonly status: "failed" }
  /** It asks the client for input and will be called again (protocol 2026-07-28). */
  | { readonly status: "input_required" };

/** A finished run: the value that its caller, or a repetition, is given, and its meaning. */
export interface FinishedRun {
  readonly completion: Completion;
  readonly outcome: Outcome;
}

/** The outcome of a run, and the units that it reported; undefined where it reported none. */
export interface Usage {
  readonly outcome: Outcome;
  readonly reported: number | undefined;
}

/** The settlement of a call that has run: it decides whether the result may be delivered, and delivered again. */
export type Settlement =
  /** Everything that was due is billed, or nothing was due. */
  | { readonly status: "settled"; readonly receipt?: Receipt }
  /** It brought nothing that is billed, and nothing was. */
  | { readonly status: "void" }
  /** It was cancelled and not billed: nobody gets its result. */
  | { readonly status: "cancelled"; readonly reason: unknown }
  /** It could not be billed: nobody gets its result, unless a later try to settle it succeeds. */
  | { readonly status: "refused"; readonly refusal: Refusal };

/** The outcome of a call that was run under an agent's key. */
export type KeptOutcome =
  | { readonly status: "returned"; readonly result: unknown; readonly receipt?: Receipt | undefined }
  | { readonly status: "threw"; readonly error: unknown }
  | { readonly status: "refused"; readonly refusal: Refusal }
  /** It has a result that could not be billed yet: a repetition has it billed before it is given the result. */
  | { readonly status: "unsettled"; readonly result: unknown; readonly settle: SettleBy }
  /** It came to nothing that concerns another call: as if it had never been. */
  | { readonly status: "void" };

/** Bills what was not billed yet, by the token of the repetition that has it billed. */
export type SettleBy = (by: Call) => Promise<Settlement>;

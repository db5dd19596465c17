import type { Receipt } from "../billing/charge-context.ts";
import type { CallSubject } from "../events.ts";
import type { Policy } from "../pricing/charge-options.ts";
import type { Refusal } from "../refusal/refusal.ts";

/** Something that is charged for, behind its policy. */
export interface ChargedTarget extends CallSubject {
  /** Tells this target from every other, across requests and restarts. */
  readonly id: string;
  readonly policy: Policy;
  /**
   * Tells a handler without a name from others of equal source and price, in this process alone; undefined where a name
   * tells it.
   */
  readonly madeOf?: string;
}

/** The result of a charged call, or the reason why there is none. */
export type ChargeResult =
  | { readonly result: unknown; readonly receipt?: Receipt | undefined }
  | { readonly refusal: Refusal };

import type { Refusal } from "./refusal.ts";

/** Thrown inside of the paywall to leave a call with a refusal; {@link Refusal} values are what comes out. */
export class Refused extends Error {
  readonly refusal: Refusal;
  /** The API may have recorded usage for this call all the same. */
  readonly mayBeRecorded: boolean;

  /**
   * @param refusal - why
   * @param mayBeRecorded - whether usage may have been recorded for it
   */
  constructor(refusal: Refusal, mayBeRecorded = false) {
    super(refusal.message);
    this.refusal = refusal;
    this.mayBeRecorded = mayBeRecorded;
  }
}

/** The result of one check of the installation. */
export interface Check {
  readonly name: string;
  /** `skipped`: there is nothing to look at, which is not a fault. */
  readonly status: "ok" | "warning" | "failed" | "skipped";
  readonly message: string;
  /** Advice on what to do about it. */
  readonly advice?: string;
}

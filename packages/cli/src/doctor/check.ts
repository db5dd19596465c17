/** What one look at the installation found. */
export interface Check {
  readonly name: string;
  /** `skipped`: there is nothing to look at, which is no fault. */
  readonly status: "ok" | "warning" | "failed" | "skipped";
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string;
}

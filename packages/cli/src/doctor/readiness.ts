/** The state that a self-hosted API reports at `/readyz`; a property that it does not report is left out. */
export interface Readiness {
  /** Milliseconds by which its clock is ahead of its database's. */
  readonly clockSkew?: number;
  /** The mode of the key of Stripe's that it has; null where it has none. */
  readonly stripe?: "test" | "live" | null;
}

/** Asks an API how it stands. One that cannot be reached, or is none of ours, says nothing. */
export async function askReadiness(baseUrl: string): Promise<Readiness> {
  let answered: unknown;
  try {
    const answer = await fetch(new URL("/readyz", baseUrl), { signal: AbortSignal.timeout(10_000) });
    answered = await answer.json();
  } catch {
    // The other checks tell of it.
    return {};
  }
  if (typeof answered !== "object" || answered === null) return {};
  const skew = "clockSkew" in answered ? answered.clockSkew : undefined;
  const mode = "stripe" in answered ? answered.stripe : undefined;
  return {
    ...(typeof skew === "number" && { clockSkew: skew }),
    ...((mode === "test" || mode === "live" || mode === null) && { stripe: mode }),
  };
}

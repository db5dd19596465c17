/** What one row of the table says. */
export interface Row {
  readonly name: string;
  /** What is divided by what. */
  readonly ratio: string;
  /** The ratio's median over all rounds, its smallest and its largest. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly aim: { readonly atMost: number } | { readonly atLeast: number };
  /** The absolute figures behind it, for orientation: machines differ, and so do hours. */
  readonly figures: string;
}

/** The middle of some numbers, and their ends. */
export function spread(values: readonly number[]): { median: number; min: number; max: number } {
  const sorted = [...values].sort((left, right) => left - right);
  const [min, max] = [sorted[0], sorted.at(-1)];
  const median = sorted[Math.floor(sorted.length / 2)];
  if (min === undefined || max === undefined || median === undefined) throw new Error("nothing was measured");
  return { median, min, max };
}

/**
 * Measures two things in turn, so that both meet the same weather on the machine, and answers what each came to in
 * each round. The first round only warms up.
 */
export async function inTurn(
  rounds: number,
  left: () => Promise<number>,
  right: () => Promise<number>,
): Promise<{ left: number[]; right: number[] }> {
  const measured = { left: [] as number[], right: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    const [one, other] = [await left(), await right()];
    if (round === 0) continue;
    measured.left.push(one);
    measured.right.push(other);
  }
  return measured;
}

/** Round by round, the one divided by the other. */
export function ratios(left: readonly number[], right: readonly number[]): number[] {
  return left.map((value, round) => value / (right[round] ?? Number.NaN));
}

/** Microseconds that one call takes, over many in a row. */
export async function microsecondsPerCall(calls: number, call: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  for (let index = 0; index < calls; index++) await call();
  return ((performance.now() - started) * 1_000) / calls;
}

/** Whether a row reaches its aim. */
export function isMet({ aim, median }: Row): boolean {
  return "atMost" in aim ? median <= aim.atMost : median >= aim.atLeast;
}

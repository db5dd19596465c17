/** One row of the table. */
export interface Row {
  readonly name: string;
  /** Description of the ratio: what is divided by what. */
  readonly ratio: string;
  /** The ratio's median over all rounds, its smallest and its largest. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The ratio of each round. */
  readonly rounds: readonly number[];
  /** Aim of the ratio; a row without one is there for orientation. */
  readonly aim?: { readonly atMost: number } | { readonly atLeast: number };
  /** The absolute figures behind it, for orientation: machines differ, and so do hours. */
  readonly figures: string;
}

/** Amount of measuring: all of it, or just enough to see that it works. */
export interface Effort {
  readonly quick: boolean;
}

/** The middle of some numbers, and their ends. */
function spread(values: readonly number[]): { median: number; min: number; max: number } {
  const sorted = [...values].sort((left, right) => left - right);
  const [min, max] = [sorted[0], sorted.at(-1)];
  const median = sorted[Math.floor(sorted.length / 2)];
  if (min === undefined || max === undefined || median === undefined) throw new Error("nothing was measured");
  return { median, min, max };
}

/** The median of some numbers as text. */
export function middle(values: readonly number[], digits = 0): string {
  return spread(values).median.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** The value below which that part of the values lies, `part` being 0.5 or 0.99. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
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
  const [lefts = [], rights = []] = await allInTurn(rounds, [left, right]);
  return { left: lefts, right: rights };
}

/** The same with any number of things. */
export async function allInTurn(
  rounds: number,
  things: readonly (() => Promise<number>)[],
): Promise<number[][]> {
  const measured = things.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, thing] of things.entries()) {
      const value = await thing();
      if (round > 0) measured[index]?.push(value);
    }
  }
  return measured;
}

/** A row's ratio: round by round, the one divided by the other. */
export function divide(left: readonly number[], right: readonly number[]) {
  const rounds = left.map((value, round) => value / (right[round] ?? Number.NaN));
  return { ...spread(rounds), rounds };
}

/** Milliseconds that something takes. */
export async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Microseconds that one call takes, over many in a row. */
export async function microsecondsPerCall(calls: number, call: () => Promise<unknown>): Promise<number> {
  const total = await milliseconds(async () => {
    for (let index = 0; index < calls; index++) await call();
  });
  return (total * 1_000) / calls;
}

/** Checks whether a row reaches its aim; null where it has none. */
export function isMet({ aim, median }: Row): boolean | null {
  if (aim === undefined) return null;
  return "atMost" in aim ? median <= aim.atMost : median >= aim.atLeast;
}

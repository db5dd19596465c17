/** The kinds of failure that {@link createBreaker} tells apart. */
export type FailureKind =
  /**
   * The API could not be reached, did not answer in time, or answered 5xx: it counts where no other call was answered
   * meanwhile.
   */
  | "unavailable"
  /** The API answered, if only to refuse (401, 402, 429 …): it is alive. */
  | "answered"
  /** Nothing is known, for example because the caller gave up on its own call. */
  | "unknown";

/** Options of {@link createBreaker}. Times are in milliseconds. */
export interface BreakerOptions {
  /** Tells an outage from a response. */
  readonly kindOf: (error: unknown) => FailureKind;
  /** Consecutive `unavailable` failures that open it; 5 by default. */
  readonly failureThreshold?: number;
  /** Time that it stays open before one call may try the API again; 5000 by default. */
  readonly coolDown?: number;
  /** Called when it opens and when it closes. */
  readonly onChange?: (state: "open" | "closed") => void;
  /** The present moment in milliseconds, of a clock that is never set back; `performance.now` by default. */
  readonly now?: () => number;
}

/** A circuit breaker. */
export interface Breaker {
  /**
   * Makes the call, or refuses it at once while the API is taken for dead.
   *
   * @param caller - whose call it is: while all failures are one caller's, only that caller's calls are refused
   * @throws {BreakerOpenError} without making the call; else what the call threw, unchanged.
   */
  run<T>(call: () => Promise<T>, caller?: string): Promise<T>;
  /** `closed`: calls pass. `open`: they fail at once. `probing`: one call is trying the API, the others fail. */
  state(): "closed" | "open" | "probing";
  /** Returns the number of calls that were answered, if only by a refusal. */
  responses(): number;
}

/** The API is taken for dead, and the call was not made. `retryAfter` is in milliseconds. */
export class BreakerOpenError extends Error {
  override readonly name = "BreakerOpenError";
  readonly retryAfter: number;

  constructor(retryAfter: number) {
    super(`the billing API is not answering; it is tried again in ${Math.ceil(retryAfter)} ms`);
    this.retryAfter = retryAfter;
  }
}

/**
 * Lets a dead API fail fast: after `failureThreshold` failures in a row calls are refused at once, and after each
 * `coolDown` a single one may probe whether it is back. A failure does not count where any call was answered since it
 * began: an API that answers is alive, however slowly.
 *
 * Our own, since of the libraries that run on Node 20 cockatiel 3 makes all calls wait for the probe, which against
 * an API that hangs slows every one of them, and opossum 8 counts percentages of a rolling window.
 *
 * @example
 * ```ts
 * const breaker = createBreaker({ kindOf: (error) => (error instanceof ConnectionError ? "unavailable" : "answered") });
 * const caller = await breaker.run(() => verify(token));
 * ```
 */
export function createBreaker(options: BreakerOptions): Breaker {
  const { kindOf, failureThreshold = 5, coolDown = 5000, onChange, now = () => performance.now() } = options;
  let failures = 0;
  /** The time of the next probe; undefined while closed. */
  let nextProbeAt: number | undefined;
  let probing = false;
  /** Callers whose calls failed since the last response: one or two of them, which is all that matters. */
  const failedFor = new Set<string>();
  // A call that began before the last response or change says nothing about the API of now.
  let era = 0;
  let responses = 0;

  /** A failure of one caller's calls alone may be that caller's own affair: another's call finds out. */
  const isDeadFor = (caller: string) => failedFor.size > 1 || failedFor.has(caller);

  async function run<T>(call: () => Promise<T>, caller = ""): Promise<T> {
    if (nextProbeAt !== undefined && isDeadFor(caller)) {
      const wait = nextProbeAt - now();
      if (wait > 0) throw new BreakerOpenError(wait);
      // The next probe goes a cool-down later even where this one never ends.
      nextProbeAt = now() + coolDown;
      probing = true;
      era++;
    }
    const began = era;
    try {
      const result = await call();
      hear(began);
      return result;
    } catch (error) {
      const kind = kindOf(error);
      if (kind === "answered") hear(began);
      else if (began === era) judge(kind, caller);
      throw error;
    }
  }

  /** A response to a call that began in some era. */
  function hear(began: number): void {
    responses++;
    if (began === era || nextProbeAt === undefined) close();
  }

  function judge(kind: FailureKind, caller: string): void {
    if (kind === "unavailable") {
      failures++;
      if (failedFor.size < 2) failedFor.add(caller);
      if (probing || failures >= failureThreshold) open();
    } else if (probing) {
      // The probe was called off: the next call may take its place.
      probing = false;
      nextProbeAt = now();
    }
  }

  function open(): void {
    const wasOpen = nextProbeAt !== undefined;
    nextProbeAt = now() + coolDown;
    probing = false;
    era++;
    if (!wasOpen) onChange?.("open");
  }

  function close(): void {
    failures = 0;
    failedFor.clear();
    era++;
    if (nextProbeAt === undefined) return;
    nextProbeAt = undefined;
    probing = false;
    onChange?.("closed");
  }

  return {
    run,
    state: () => (nextProbeAt === undefined ? "closed" : probing ? "probing" : "open"),
    responses: () => responses,
  };
}

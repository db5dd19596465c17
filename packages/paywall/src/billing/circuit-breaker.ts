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
  const circuit: Circuit = {
    settings: { kindOf, failureThreshold, coolDown, onChange, now },
    failures: 0,
    nextProbeAt: undefined,
    probing: false,
    failedFor: new Set(),
    era: 0,
    responses: 0,
  };
  return {
    run: (call, caller = "") => run(circuit, call, caller),
    state: () => (circuit.nextProbeAt === undefined ? "closed" : circuit.probing ? "probing" : "open"),
    responses: () => circuit.responses,
  };
}

/** The state of a circuit breaker. */
interface Circuit {
  readonly settings: Required<Omit<BreakerOptions, "onChange">> & {
    readonly onChange: BreakerOptions["onChange"];
  };
  failures: number;
  /** The time of the next probe; undefined while closed. */
  nextProbeAt: number | undefined;
  probing: boolean;
  /** Callers whose calls failed since the last response: one or two of them, which is all that matters. */
  readonly failedFor: Set<string>;
  /** A call that began before the last response or change says nothing about the API of now. */
  era: number;
  responses: number;
}

/** A failure of one caller's calls alone may be that caller's own affair: another's call finds out. */
function isDeadFor({ failedFor }: Circuit, caller: string): boolean {
  return failedFor.size > 1 || failedFor.has(caller);
}

async function run<T>(circuit: Circuit, call: () => Promise<T>, caller: string): Promise<T> {
  if (circuit.nextProbeAt !== undefined && isDeadFor(circuit, caller))
    beginProbe(circuit, circuit.nextProbeAt);
  const began = circuit.era;
  try {
    const result = await call();
    hear(circuit, began);
    return result;
  } catch (error) {
    const kind = circuit.settings.kindOf(error);
    if (kind === "answered") hear(circuit, began);
    else if (began === circuit.era) judge(circuit, kind, caller);
    throw error;
  }
}

/** @throws {BreakerOpenError} where it is too early for a probe */
function beginProbe(circuit: Circuit, nextProbeAt: number): void {
  const { now, coolDown } = circuit.settings;
  const wait = nextProbeAt - now();
  if (wait > 0) throw new BreakerOpenError(wait);
  // The next probe goes a cool-down later even where this one never ends.
  circuit.nextProbeAt = now() + coolDown;
  circuit.probing = true;
  circuit.era++;
}

/** Takes in a response to a call that began in some era. */
function hear(circuit: Circuit, began: number): void {
  circuit.responses++;
  if (began === circuit.era || circuit.nextProbeAt === undefined) close(circuit);
}

function judge(circuit: Circuit, kind: FailureKind, caller: string): void {
  if (kind === "unavailable") {
    circuit.failures++;
    if (circuit.failedFor.size < 2) circuit.failedFor.add(caller);
    if (circuit.probing || circuit.failures >= circuit.settings.failureThreshold) open(circuit);
  } else if (circuit.probing) {
    // The probe was called off: the next call may take its place.
    circuit.probing = false;
    circuit.nextProbeAt = circuit.settings.now();
  }
}

function open(circuit: Circuit): void {
  const { now, coolDown, onChange } = circuit.settings;
  const wasOpen = circuit.nextProbeAt !== undefined;
  circuit.nextProbeAt = now() + coolDown;
  circuit.probing = false;
  circuit.era++;
  if (!wasOpen) onChange?.("open");
}

function close(circuit: Circuit): void {
  circuit.failures = 0;
  circuit.failedFor.clear();
  circuit.era++;
  if (circuit.nextProbeAt === undefined) return;
  circuit.nextProbeAt = undefined;
  circuit.probing = false;
  circuit.settings.onChange?.("closed");
}

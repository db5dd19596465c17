/** Limits of {@link createFairQueue}. */
export interface FairQueueLimits {
  /** Requests of one caller that are in flight at most. */
  readonly perCaller: number;
  /** Requests that are in flight at most, of all callers together. */
  readonly total: number;
  /** Requests of one caller that wait at most; a further one is refused at once. */
  readonly waiting: number;
  /** The same of those that go first. */
  readonly waitingFirst: number;
}

/** How one request waits. */
export interface Waiting {
  /** Milliseconds at most. */
  readonly patience: number;
  /** Goes before its caller's other requests; false by default. */
  readonly first?: boolean | undefined;
}

/** Lets requests go in turn. */
export interface FairQueue {
  /**
   * Sends a request when its caller's turn has come.
   *
   * @throws {@link QueueError} without sending it; else what the request threw
   */
  run<T>(caller: string, waiting: Waiting, request: () => Promise<T>): Promise<T>;
}

/** A request that was not sent: too many of its caller were `full`, or it waited too long (`late`). */
export class QueueError extends Error {
  override readonly name = "QueueError";
  readonly reason: "full" | "late";

  constructor(reason: QueueError["reason"]) {
    super(
      reason === "full"
        ? "too many requests of this caller wait already"
        : "the caller's other requests took all of the time that this one could wait",
    );
    this.reason = reason;
  }
}

interface Lane {
  running: number;
  /** What starts each request that goes first, and each other one, oldest first. */
  readonly first: Set<() => void>;
  readonly others: Set<() => void>;
}

/**
 * Makes a queue in which each caller has a lane of its own: what one sends at once waits behind itself, and lanes take
 * turns where the total is reached.
 *
 * Our own, since p-queue and p-limit know one limit and one order for all, and bottleneck, whose groups have a limit
 * each, is not maintained.
 *
 * @example
 * ```ts
 * const queue = createFairQueue({ perCaller: 16, total: 200, waiting: 256, waitingFirst: 1_024 });
 * const caller = await queue.run(tokenHash, { patience: 5_000 }, () => verify(token));
 * ```
 */
export function createFairQueue(limits: FairQueueLimits): FairQueue {
  const lanes = new Map<string, Lane>();
  /** Lanes whose next request may go as soon as there is room, in the order of their turns. */
  const ready = new Set<Lane>();
  let running = 0;

  const isWaiting = (lane: Lane) => lane.first.size + lane.others.size > 0;

  async function run<T>(caller: string, waiting: Waiting, request: () => Promise<T>): Promise<T> {
    const lane = lanes.get(caller) ?? { running: 0, first: new Set(), others: new Set() };
    lanes.set(caller, lane);
    try {
      // With room in both, nothing waits: else it would have gone already.
      if (lane.running < limits.perCaller && running < limits.total) begin(lane);
      else await turn(lane, waiting);
      try {
        return await request();
      } finally {
        end(lane);
      }
    } finally {
      if (lane.running === 0 && !isWaiting(lane)) lanes.delete(caller);
    }
  }

  function begin(lane: Lane): void {
    lane.running++;
    running++;
  }

  function end(lane: Lane): void {
    lane.running--;
    running--;
    line(lane);
    goOn();
  }

  /** Waits for a turn: whoever gives it has begun the request. */
  function turn(lane: Lane, { patience, first = false }: Waiting): Promise<void> {
    const waiters = first ? lane.first : lane.others;
    if (waiters.size >= (first ? limits.waitingFirst : limits.waiting)) throw new QueueError("full");
    return new Promise((resolve, reject) => {
      const start = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        waiters.delete(start);
        if (!isWaiting(lane)) ready.delete(lane);
        reject(new QueueError("late"));
      }, patience);
      waiters.add(start);
      line(lane);
    });
  }

  /** Puts a lane at the end of those that are ready, where it is. */
  function line(lane: Lane): void {
    if (isWaiting(lane) && lane.running < limits.perCaller) ready.add(lane);
  }

  function goOn(): void {
    for (const lane of ready) {
      if (running >= limits.total) return;
      ready.delete(lane);
      const waiters = lane.first.size > 0 ? lane.first : lane.others;
      const [start] = waiters;
      if (start === undefined) continue;
      waiters.delete(start);
      begin(lane);
      start();
      // Re-added, it is at the end of this very loop.
      line(lane);
    }
  }

  return { run };
}

import { timerDelay } from "../util/timer-delay.ts";

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
  /** Limits of all callers together that are not known. */
  readonly strangers: {
    /** Their requests that are in flight at most: a part of `total`, so that the rest is for those that are known. */
    readonly total: number;
    /** Their requests that wait at most; a further one is refused at once. */
    readonly waiting: number;
  };
  /** Known callers that are remembered at most; the least recently seen becomes a stranger again. */
  readonly knownCallers: number;
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
  /** Counts a caller among those that are known, with what it has in flight and waiting. */
  trust(caller: string): void;
  /** Counts a caller among the strangers again. */
  distrust(caller: string): void;
}

/** A request that was not sent: too many wait already (`full`), or it waited too long (`late`). */
export class QueueError extends Error {
  override readonly name = "QueueError";
  readonly reason: "full" | "late";

  constructor(reason: QueueError["reason"]) {
    super(
      reason === "full"
        ? "too many requests wait already, of this caller or of all callers that are not known"
        : "other requests took all of the time that this one could wait",
    );
    this.reason = reason;
  }
}

/** A request that waits for its turn. */
interface Waiter {
  start(): void;
}

interface Lane {
  isStranger: boolean;
  running: number;
  /** Each request that goes first, and each other one, oldest first. */
  readonly first: Set<Waiter>;
  readonly others: Set<Waiter>;
}

/**
 * Makes a queue in which each caller has a lane of its own: what one sends at once waits behind itself, and lanes take
 * turns where the total is reached. Anybody can make up callers, and each would have its turn: so all that are not
 * known share a part of the total, in which their lanes take turns.
 *
 * Our own, since p-queue and p-limit know one limit and one order for all, and bottleneck, whose groups have a limit
 * each, is not maintained.
 *
 * @example
 * ```ts
 * const strangers = { total: 50, waiting: 1_024 };
 * const lanes = { perCaller: 16, total: 200, waiting: 256, waitingFirst: 1_024 };
 * const queue = createFairQueue({ ...lanes, strangers, knownCallers: 10_000 });
 * const caller = await queue.run(tokenHash, { patience: 5_000 }, () => verify(token));
 * queue.trust(tokenHash);
 * ```
 */
export function createFairQueue(limits: FairQueueLimits): FairQueue {
  const lanes = new Map<string, Lane>();
  /** Lanes with a request that waits for nothing of their own, in the order of their turns. */
  const ready = new Set<Lane>();
  /** Known callers, the least recently seen first. */
  const known = new Set<string>();
  let running = 0;
  const strangers = { running: 0, waiting: 0 };

  const waitingIn = (lane: Lane) => lane.first.size + lane.others.size;
  /** Whether there is room for one more of a lane beside all others. */
  const hasRoomFor = ({ isStranger }: Lane) =>
    running < limits.total && !(isStranger && strangers.running >= limits.strangers.total);

  async function run<T>(caller: string, waiting: Waiting, request: () => Promise<T>): Promise<T> {
    const lane = lanes.get(caller) ?? newLane(caller);
    lanes.set(caller, lane);
    try {
      // With room everywhere, nothing waits: else it would have gone already.
      if (lane.running < limits.perCaller && hasRoomFor(lane)) count(lane, 1);
      else await turn(lane, waiting);
      try {
        return await request();
      } finally {
        count(lane, -1);
        line(lane);
        goOn();
      }
    } finally {
      if (lane.running === 0 && waitingIn(lane) === 0) lanes.delete(caller);
    }
  }

  function newLane(caller: string): Lane {
    const isStranger = !known.has(caller);
    if (!isStranger) remember(caller);
    return { isStranger, running: 0, first: new Set(), others: new Set() };
  }

  function remember(caller: string): void {
    known.delete(caller);
    known.add(caller);
    const [oldest] = known;
    if (known.size > limits.knownCallers && oldest !== undefined) known.delete(oldest);
  }

  /** Counts one request more, or less, that is in flight. */
  function count(lane: Lane, change: 1 | -1): void {
    lane.running += change;
    running += change;
    if (lane.isStranger) strangers.running += change;
  }

  /** Waits for a turn: whoever gives it has counted the request. */
  function turn(lane: Lane, { patience, first = false }: Waiting): Promise<void> {
    const waiters = first ? lane.first : lane.others;
    const isFull =
      waiters.size >= (first ? limits.waitingFirst : limits.waiting) ||
      (lane.isStranger && strangers.waiting >= limits.strangers.waiting);
    if (isFull) throw new QueueError("full");
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        waiters.delete(waiter);
        if (lane.isStranger) strangers.waiting--;
      };
      const waiter: Waiter = {
        start() {
          leave();
          count(lane, 1);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        leave();
        if (waitingIn(lane) === 0) ready.delete(lane);
        reject(new QueueError("late"));
      }, timerDelay(patience));
      waiters.add(waiter);
      if (lane.isStranger) strangers.waiting++;
      line(lane);
    });
  }

  /** Puts a lane at the end of those that are ready, where it is. */
  function line(lane: Lane): void {
    if (waitingIn(lane) > 0 && lane.running < limits.perCaller) ready.add(lane);
  }

  function goOn(): void {
    for (const lane of ready) {
      if (running >= limits.total) return;
      // It keeps its turn until one of the strangers' places is free.
      if (!hasRoomFor(lane)) continue;
      ready.delete(lane);
      const [next] = lane.first.size > 0 ? lane.first : lane.others;
      next?.start();
      // Re-added, it is at the end of this very loop.
      line(lane);
    }
  }

  /** Has a lane that there is count among the strangers, or not. */
  function move(lane: Lane | undefined, isStranger: boolean): void {
    if (lane === undefined || lane.isStranger === isStranger) return;
    lane.isStranger = isStranger;
    const sign = isStranger ? 1 : -1;
    strangers.running += sign * lane.running;
    strangers.waiting += sign * waitingIn(lane);
    goOn();
  }

  return {
    run,
    trust(caller) {
      remember(caller);
      move(lanes.get(caller), false);
    },
    distrust(caller) {
      known.delete(caller);
      move(lanes.get(caller), true);
    },
  };
}

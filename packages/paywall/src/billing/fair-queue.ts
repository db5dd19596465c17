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
    /** Their requests that are in flight before any of those that are known, which have the rest of `total`. */
    readonly share: number;
    /** Their requests that are in flight at most, where nobody known waits. */
    readonly total: number;
    /** Their requests that wait at most; for a further one another one is dropped. */
    readonly waiting: number;
  };
  /** Known callers that are remembered at most; the least recently seen becomes a stranger again. */
  readonly knownCallers: number;
  /** Numbers from 0 and below 1 that no caller can foresee; `Math.random` by default. */
  readonly random?: () => number;
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
  drop(): void;
}

interface Lane {
  isStranger: boolean;
  running: number;
  /** Each request that goes first, and each other one, oldest first. */
  readonly first: Set<Waiter>;
  readonly others: Set<Waiter>;
}

interface Queue {
  readonly limits: FairQueueLimits;
  readonly random: () => number;
  readonly lanes: Map<string, Lane>;
  /** Lanes of known callers with a request that waits for nothing of their own, in the order of their turns. */
  readonly ready: Set<Lane>;
  /** Known callers, the least recently seen first. */
  readonly known: Set<string>;
  running: number;
  readonly strangers: {
    running: number;
    waiting: number;
    /** Lanes with a request that waits, those that began to wait first before the others. */
    readonly lanes: Lane[];
    isNewestsTurn: boolean;
  };
}

/** Lanes that are compared, where a stranger's request has to make way. */
const COMPARED = 8;

/**
 * Makes a queue in which each caller has a lane of its own: what one sends at once waits behind itself, and lanes take
 * turns where the total is reached.
 *
 * Anybody can make up callers, and each would have its turn: so all that are not known share a part of the total, and
 * have more of it only where nobody known waits. Every other turn of theirs is the newest's, so that one who comes after
 * a flood is served at once, and every other one is drawn, so that a flood that goes on cannot foresee it. Where too
 * many wait, one of those that have most waiting is dropped, drawn likewise. Nothing tells a new agent from a made-up
 * one: in the midst of a flood it is served as often as all of that can be in its time.
 *
 * Our own, since p-queue and p-limit know one limit and one order for all, and bottleneck, whose groups have a limit
 * each, is not maintained.
 *
 * @example
 * ```ts
 * const strangers = { share: 50, total: 184, waiting: 4_096 };
 * const lanes = { perCaller: 16, total: 200, waiting: 256, waitingFirst: 1_024 };
 * const queue = createFairQueue({ ...lanes, strangers, knownCallers: 10_000 });
 * const caller = await queue.run(tokenHash, { patience: 5_000 }, () => verify(token));
 * queue.trust(tokenHash);
 * ```
 */
export function createFairQueue(limits: FairQueueLimits): FairQueue {
  const queue: Queue = {
    limits,
    random: limits.random ?? Math.random,
    lanes: new Map(),
    ready: new Set(),
    known: new Set(),
    running: 0,
    strangers: { running: 0, waiting: 0, lanes: [], isNewestsTurn: true },
  };
  return {
    run: (caller, waiting, request) => run(queue, caller, waiting, request),
    trust(caller) {
      remember(queue, caller);
      move(queue, queue.lanes.get(caller), false);
    },
    distrust(caller) {
      queue.known.delete(caller);
      move(queue, queue.lanes.get(caller), true);
    },
  };
}

async function run<T>(queue: Queue, caller: string, waiting: Waiting, request: () => Promise<T>): Promise<T> {
  const lane = queue.lanes.get(caller) ?? newLane(queue, caller);
  queue.lanes.set(caller, lane);
  try {
    // With room everywhere, nothing waits: else it would have gone already.
    if (lane.running < queue.limits.perCaller && hasRoomFor(queue, lane)) count(queue, lane, 1);
    else await turn(queue, lane, waiting);
    try {
      return await request();
    } finally {
      count(queue, lane, -1);
      line(queue, lane);
      goOn(queue);
    }
  } finally {
    if (lane.running === 0 && waitingIn(lane) === 0 && queue.lanes.get(caller) === lane)
      queue.lanes.delete(caller);
  }
}

const waitingIn = (lane: Lane) => lane.first.size + lane.others.size;

/** Whether there is room for one more of a lane beside all others. */
function hasRoomFor({ running, limits, strangers }: Queue, { isStranger }: Lane): boolean {
  return running < limits.total && !(isStranger && strangers.running >= limits.strangers.total);
}

function newLane(queue: Queue, caller: string): Lane {
  const isStranger = !queue.known.has(caller);
  if (!isStranger) remember(queue, caller);
  return { isStranger, running: 0, first: new Set(), others: new Set() };
}

function remember({ known, limits }: Queue, caller: string): void {
  known.delete(caller);
  known.add(caller);
  const [oldest] = known;
  if (known.size > limits.knownCallers && oldest !== undefined) known.delete(oldest);
}

/** Counts one request more, or less, that is in flight. */
function count(queue: Queue, lane: Lane, change: 1 | -1): void {
  lane.running += change;
  queue.running += change;
  if (lane.isStranger) queue.strangers.running += change;
}

/** Waits for a turn: whoever gives it has counted the request. */
function turn(queue: Queue, lane: Lane, { patience, first = false }: Waiting): Promise<void> {
  const { limits, strangers } = queue;
  const waiters = first ? lane.first : lane.others;
  if (waiters.size >= (first ? limits.waitingFirst : limits.waiting)) throw new QueueError("full");
  if (lane.isStranger && strangers.waiting >= limits.strangers.waiting) dropOne(queue);
  return new Promise((resolve, reject) => {
    const leave = () => {
      clearTimeout(timer);
      waiters.delete(waiter);
      if (lane.isStranger) strangers.waiting--;
      unline(queue, lane);
    };
    const refuse = (reason: QueueError["reason"]) => {
      leave();
      reject(new QueueError(reason));
    };
    const waiter: Waiter = {
      start() {
        leave();
        count(queue, lane, 1);
        resolve();
      },
      drop: () => refuse("full"),
    };
    const timer = setTimeout(() => refuse("late"), timerDelay(patience));
    waiters.add(waiter);
    if (lane.isStranger) strangers.waiting++;
    line(queue, lane);
  });
}

/** Drops the newest request of the lane that has most waiting, of some that are drawn. */
function dropOne({ strangers, random }: Queue): void {
  let heaviest: Lane | undefined;
  for (let drawn = 0; drawn < COMPARED; drawn++) {
    const lane = strangers.lanes[Math.floor(random() * strangers.lanes.length)];
    if (lane !== undefined && (heaviest === undefined || waitingIn(lane) > waitingIn(heaviest)))
      heaviest = lane;
  }
  if (heaviest !== undefined) [...heaviest.first, ...heaviest.others].at(-1)?.drop();
}

/** Puts a lane at the end of those that wait, where it is none of them. */
function line({ ready, strangers, limits }: Queue, lane: Lane): void {
  if (waitingIn(lane) === 0) return;
  if (!lane.isStranger) {
    if (lane.running < limits.perCaller) ready.add(lane);
  } else if (!strangers.lanes.includes(lane)) strangers.lanes.push(lane);
}

/** Takes a lane of which nothing waits any more from those that wait. */
function unline({ ready, strangers }: Queue, lane: Lane): void {
  if (waitingIn(lane) > 0) return;
  ready.delete(lane);
  const index = strangers.lanes.indexOf(lane);
  if (index >= 0) strangers.lanes.splice(index, 1);
}

function goOn(queue: Queue): void {
  while (queue.running < queue.limits.total) {
    const { strangers, limits } = queue;
    const [known] = queue.ready;
    const isStrangersTurn = known === undefined || strangers.running < limits.strangers.share;
    const lane = (isStrangersTurn ? nextStranger(queue) : undefined) ?? known;
    if (lane === undefined) return;
    queue.ready.delete(lane);
    const [next] = lane.first.size > 0 ? lane.first : lane.others;
    next?.start();
    line(queue, lane);
  }
}

/** The stranger whose turn it is: one of which nothing is in flight, since one answer is enough to be known. */
function nextStranger({ strangers, limits, random }: Queue): Lane | undefined {
  const { lanes } = strangers;
  if (lanes.length === 0 || strangers.running >= limits.strangers.total) return undefined;
  const isIdle = ({ running }: Lane) => running === 0;
  const start = Math.floor(random() * lanes.length);
  const drawn = (fits: (lane: Lane) => boolean) =>
    lanes.find((lane, index) => index >= start && fits(lane)) ?? lanes.find(fits);
  const idle = strangers.isNewestsTurn ? lanes.findLast(isIdle) : drawn(isIdle);
  strangers.isNewestsTurn = !strangers.isNewestsTurn;
  return idle ?? drawn(({ running }) => running < limits.perCaller);
}

/** Has a lane that there is count among the strangers, or not. */
function move(queue: Queue, lane: Lane | undefined, isStranger: boolean): void {
  if (lane === undefined || lane.isStranger === isStranger) return;
  const { ready, strangers } = queue;
  ready.delete(lane);
  const index = strangers.lanes.indexOf(lane);
  if (index >= 0) strangers.lanes.splice(index, 1);
  lane.isStranger = isStranger;
  const sign = isStranger ? 1 : -1;
  strangers.running += sign * lane.running;
  strangers.waiting += sign * waitingIn(lane);
  line(queue, lane);
  goOn(queue);
}

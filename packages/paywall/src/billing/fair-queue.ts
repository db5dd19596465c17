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

/** Options of one request in the queue. */
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

interface Partition {
  isStranger: boolean;
  running: number;
  /** Each request that goes first, and each other one, oldest first. */
  readonly first: Set<Waiter>;
  readonly others: Set<Waiter>;
}

interface Queue {
  readonly limits: FairQueueLimits;
  readonly random: () => number;
  readonly partitions: Map<string, Partition>;
  /** Partitions of known callers with a request that waits for nothing of their own, in the order of their turns. */
  readonly ready: Set<Partition>;
  /** Known callers, the least recently seen first. */
  readonly known: Set<string>;
  running: number;
  readonly strangers: {
    running: number;
    waiting: number;
    /** Partitions with a request that waits, those that began to wait first before the others. */
    readonly partitions: Partition[];
    isNewestsTurn: boolean;
  };
}

/** Partitions that are compared, where a stranger's request has to make way. */
const COMPARED = 8;

/**
 * Makes a queue with a partition for each caller: what one sends at once waits behind itself, and partitions take
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
 * const limits = { perCaller: 16, total: 200, waiting: 256, waitingFirst: 1_024 };
 * const queue = createFairQueue({ ...limits, strangers, knownCallers: 10_000 });
 * const caller = await queue.run(tokenHash, { patience: 5_000 }, () => verify(token));
 * queue.trust(tokenHash);
 * ```
 */
export function createFairQueue(limits: FairQueueLimits): FairQueue {
  const queue: Queue = {
    limits,
    random: limits.random ?? Math.random,
    partitions: new Map(),
    ready: new Set(),
    known: new Set(),
    running: 0,
    strangers: { running: 0, waiting: 0, partitions: [], isNewestsTurn: true },
  };
  return {
    run: (caller, waiting, request) => run(queue, caller, waiting, request),
    trust(caller) {
      remember(queue, caller);
      move(queue, queue.partitions.get(caller), false);
    },
    distrust(caller) {
      queue.known.delete(caller);
      move(queue, queue.partitions.get(caller), true);
    },
  };
}

async function run<T>(queue: Queue, caller: string, waiting: Waiting, request: () => Promise<T>): Promise<T> {
  const partition = queue.partitions.get(caller) ?? newPartition(queue, caller);
  queue.partitions.set(caller, partition);
  try {
    // With room everywhere, nothing waits: else it would have gone already.
    if (partition.running < queue.limits.perCaller && hasRoomFor(queue, partition))
      count(queue, partition, 1);
    else await turn(queue, partition, waiting);
    try {
      return await request();
    } finally {
      count(queue, partition, -1);
      enlist(queue, partition);
      goOn(queue);
    }
  } finally {
    if (partition.running === 0 && waitingIn(partition) === 0 && queue.partitions.get(caller) === partition)
      queue.partitions.delete(caller);
  }
}

const waitingIn = (partition: Partition) => partition.first.size + partition.others.size;

/** Returns whether there is room for one more of a partition beside all others. */
function hasRoomFor({ running, limits, strangers }: Queue, { isStranger }: Partition): boolean {
  return running < limits.total && !(isStranger && strangers.running >= limits.strangers.total);
}

function newPartition(queue: Queue, caller: string): Partition {
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
function count(queue: Queue, partition: Partition, change: 1 | -1): void {
  partition.running += change;
  queue.running += change;
  if (partition.isStranger) queue.strangers.running += change;
}

/** Waits for a turn: whoever gives it has counted the request. */
function turn(queue: Queue, partition: Partition, { patience, first = false }: Waiting): Promise<void> {
  const { limits, strangers } = queue;
  const waiters = first ? partition.first : partition.others;
  if (waiters.size >= (first ? limits.waitingFirst : limits.waiting)) throw new QueueError("full");
  if (partition.isStranger && strangers.waiting >= limits.strangers.waiting) dropOne(queue);
  return new Promise((resolve, reject) => {
    const leave = () => {
      clearTimeout(timer);
      waiters.delete(waiter);
      if (partition.isStranger) strangers.waiting--;
      delist(queue, partition);
    };
    const refuse = (reason: QueueError["reason"]) => {
      leave();
      reject(new QueueError(reason));
    };
    const waiter: Waiter = {
      start() {
        leave();
        count(queue, partition, 1);
        resolve();
      },
      drop: () => refuse("full"),
    };
    const timer = setTimeout(() => refuse("late"), timerDelay(patience));
    waiters.add(waiter);
    if (partition.isStranger) strangers.waiting++;
    enlist(queue, partition);
  });
}

/** Drops the newest request of the partition that has most waiting, of some that are drawn. */
function dropOne({ strangers, random }: Queue): void {
  let heaviest: Partition | undefined;
  for (let drawn = 0; drawn < COMPARED; drawn++) {
    const partition = strangers.partitions[Math.floor(random() * strangers.partitions.length)];
    if (partition !== undefined && (heaviest === undefined || waitingIn(partition) > waitingIn(heaviest)))
      heaviest = partition;
  }
  if (heaviest !== undefined) [...heaviest.first, ...heaviest.others].at(-1)?.drop();
}

/** Puts a partition at the end of those that wait, where it is none of them. */
function enlist({ ready, strangers, limits }: Queue, partition: Partition): void {
  if (waitingIn(partition) === 0) return;
  if (!partition.isStranger) {
    if (partition.running < limits.perCaller) ready.add(partition);
  } else if (!strangers.partitions.includes(partition)) strangers.partitions.push(partition);
}

/** Takes a partition of which nothing waits any more from those that wait. */
function delist({ ready, strangers }: Queue, partition: Partition): void {
  if (waitingIn(partition) > 0) return;
  ready.delete(partition);
  const index = strangers.partitions.indexOf(partition);
  if (index >= 0) strangers.partitions.splice(index, 1);
}

function goOn(queue: Queue): void {
  while (queue.running < queue.limits.total) {
    const { strangers, limits } = queue;
    const [known] = queue.ready;
    const isStrangersTurn = known === undefined || strangers.running < limits.strangers.share;
    const partition = (isStrangersTurn ? nextStranger(queue) : undefined) ?? known;
    if (partition === undefined) return;
    queue.ready.delete(partition);
    const [next] = partition.first.size > 0 ? partition.first : partition.others;
    next?.start();
    enlist(queue, partition);
  }
}

/** The stranger whose turn it is: one of which nothing is in flight, since one response is enough to be known. */
function nextStranger({ strangers, limits, random }: Queue): Partition | undefined {
  const { partitions } = strangers;
  if (partitions.length === 0 || strangers.running >= limits.strangers.total) return undefined;
  const isIdle = ({ running }: Partition) => running === 0;
  const start = Math.floor(random() * partitions.length);
  const drawn = (fits: (partition: Partition) => boolean) =>
    partitions.find((partition, index) => index >= start && fits(partition)) ?? partitions.find(fits);
  const idle = strangers.isNewestsTurn ? partitions.findLast(isIdle) : drawn(isIdle);
  strangers.isNewestsTurn = !strangers.isNewestsTurn;
  return idle ?? drawn(({ running }) => running < limits.perCaller);
}

/** Has a partition that there is count among the strangers, or not. */
function move(queue: Queue, partition: Partition | undefined, isStranger: boolean): void {
  if (partition === undefined || partition.isStranger === isStranger) return;
  const { ready, strangers } = queue;
  ready.delete(partition);
  const index = strangers.partitions.indexOf(partition);
  if (index >= 0) strangers.partitions.splice(index, 1);
  partition.isStranger = isStranger;
  const sign = isStranger ? 1 : -1;
  strangers.running += sign * partition.running;
  strangers.waiting += sign * waitingIn(partition);
  enlist(queue, partition);
  goOn(queue);
}

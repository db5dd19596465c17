import { randomUUID } from "node:crypto";
import type { FrontOptions, Session } from "../exchange.ts";
import type { Limits } from "../limits.ts";
import { type ClientSession, createSession } from "../session/session.ts";
import type { OpenUpstream } from "../upstream/open-upstream.ts";
import { createEventStreams, type EventStreams } from "./event-stream.ts";
import { makeRoom } from "./make-room.ts";

/** A session of an HTTP client, with its streams. */
export interface HttpSession {
  readonly session: ClientSession;
  readonly streams: EventStreams;
  /** True if the client knows it by an id, and it lives on between requests. */
  readonly isKept: boolean;
  /** Takes note of a request of its client. */
  touch(): void;
}

/** The sessions of an HTTP front. */
export interface HttpSessions {
  get(id: string): HttpSession | undefined;
  /**
   * Makes a session for a client that begins one; it is kept once {@link HttpSessions.keep} is told to.
   *
   * @param introduce - shows it to the rules, so that they know whose it is
   * @throws HttpRefusal 503 where there are too many
   */
  begin(introduce: (session: Session) => Promise<void>): Promise<HttpSession>;
  /** Keeps a session that has begun, where it has an id; returns whether it has. */
  keep(begun: HttpSession): boolean;
  /** Makes a session for one request alone, of a caller; it has a process of its own if the rules know whose it is. */
  transient(caller: string | undefined): HttpSession;
  close(): Promise<void>;
}

type OpenChannel = Parameters<typeof createSession>[0]["openChannel"];
type Kept = HttpSession & { seen: number };

const MEBIBYTE = 1_048_576;
/** Milliseconds between comments on open streams. */
const KEEP_ALIVE = 25_000;

/** Makes the sessions of an HTTP front. */
export function createHttpSessions(
  options: FrontOptions,
  limits: Limits,
  upstream: OpenUpstream,
): HttpSessions {
  const kept = new Map<string, Kept>();
  /** Those that no place was found for yet, whose client has not heard that it began, and of one request alone. */
  const others = { arriving: new Set<Kept>(), begun: new Set<Kept>(), passing: new Set<Kept>() };
  const ending = new Set<Promise<void>>();

  const make = (id: string | undefined, openChannel: OpenChannel, isKept: boolean) =>
    createHttpSession(options, limits, { id, openChannel, isKept }, (made, closed) => {
      for (const set of Object.values(others)) set.delete(made);
      const { id: own } = made.session;
      if (own !== undefined && kept.get(own) === made) kept.delete(own);
      ending.add(closed);
      const over = () => void ending.delete(closed);
      closed.then(over, over);
    });
  const stop = watch(options.rules, kept, others.passing, limits);
  return {
    get: (id) => kept.get(id),
    async begin(introduce) {
      const made = make(randomUUID(), upstream.openSession, true);
      others.arriving.add(made);
      await introduce(made.session).catch((error: unknown) => {
        void made.session.end();
        throw error;
      });
      const all = [...kept.values(), ...others.begun];
      makeRoom(options.rules, limits, { made, all, ending: ending.size });
      // The gate may have closed meanwhile.
      if (others.arriving.delete(made)) others.begun.add(made);
      return made;
    },
    keep(made) {
      const { id, signal } = made.session;
      const one = [...others.begun].find((each) => each === made);
      if (one === undefined || id === undefined || signal.aborted) return false;
      others.begun.delete(one);
      one.touch();
      kept.set(id, one);
      return true;
    },
    transient(caller) {
      const known = () => (options.rules.isOwned(made.session) ? caller : undefined);
      const made = make(undefined, (host) => upstream.openTransient(host, known()), false);
      others.passing.add(made);
      return made;
    },
    async close() {
      stop();
      const all = [kept, ...Object.values(others)].flatMap((each) => [...each.values()]);
      await Promise.all(all.map(({ session }) => session.end()));
      await Promise.all(ending);
    },
  };
}

/** The parts by which sessions differ when they are made. */
interface Making {
  readonly id: string | undefined;
  readonly openChannel: OpenChannel;
  readonly isKept: boolean;
}

function createHttpSession(
  { rules, say }: FrontOptions,
  { maxServerBytes }: Limits,
  { id, openChannel, isKept }: Making,
  onEnd: (made: Kept, closed: Promise<void>) => void,
): Kept {
  const streams = createEventStreams({ isResumable: isKept, maxUnread: maxServerBytes + MEBIBYTE });
  const session = createSession({
    id,
    rules,
    say,
    openChannel,
    standalone: isKept ? streams.standalone : undefined,
    onEnd(closed) {
      onEnd(made, closed);
      streams.end();
    },
  });
  const made: Kept = {
    session,
    streams,
    isKept,
    seen: Date.now(),
    touch() {
      made.seen = Date.now();
    },
  };
  return made;
}

/** Ends sessions that are idle, and finds connections that are dead. Returns the function that stops it. */
function watch(
  { isOwned }: FrontOptions["rules"],
  kept: ReadonlyMap<string, Kept>,
  passing: ReadonlySet<Kept>,
  { idleTimeout, anonymousIdleTimeout }: Limits,
): () => void {
  const sweep = () => {
    for (const one of kept.values()) {
      const { session, streams } = one;
      const owned = isOwned(session);
      // To listen costs nothing: whoever is nobody's agent has to ask for something.
      const listening = owned ? 0 : streams.standalone.connections;
      if (streams.connections > listening) one.touch();
      if (Date.now() - one.seen > (owned ? idleTimeout : anonymousIdleTimeout)) void session.end();
    }
  };
  const keepAlive = () => {
    for (const { streams } of [...kept.values(), ...passing]) streams.keepAlive();
  };
  const timers = [
    setInterval(sweep, Math.min(30_000, Math.max(50, anonymousIdleTimeout / 4))).unref(),
    setInterval(keepAlive, KEEP_ALIVE).unref(),
  ];
  return () => {
    for (const timer of timers) clearInterval(timer);
  };
}

import { randomUUID } from "node:crypto";
import type { FrontOptions } from "../exchange.ts";
import type { Limits } from "../limits.ts";
import { type ClientSession, createSession } from "../session/session.ts";
import type { OpenUpstream } from "../upstream/open-upstream.ts";
import { createEventStreams, type EventStreams } from "./event-stream.ts";
import { HttpRefusal } from "./responses.ts";

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
   * @throws HttpRefusal 503 where there are too many
   */
  begin(): HttpSession;
  /** Keeps a session that has begun, where it has an id; returns whether it has. */
  keep(begun: HttpSession): boolean;
  /** Makes a session for one request alone, of a caller. */
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
  const begun = new Set<Kept>();
  const passing = new Set<Kept>();
  const ending = new Set<Promise<void>>();

  const make = (id: string | undefined, openChannel: OpenChannel, isKept: boolean) => {
    const streams = createEventStreams({ isResumable: isKept, maxUnread: limits.maxServerBytes + MEBIBYTE });
    const session = createSession({
      id,
      rules: options.rules,
      say: options.say,
      openChannel,
      standalone: isKept ? streams.standalone : undefined,
      onEnd(closed) {
        begun.delete(made);
        passing.delete(made);
        if (session.id !== undefined && kept.get(session.id) === made) kept.delete(session.id);
        streams.end();
        ending.add(closed);
        const over = () => void ending.delete(closed);
        closed.then(over, over);
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
  };
  const sweep = setInterval(
    () => {
      for (const one of kept.values()) {
        if (one.streams.connections > 0) one.touch();
        if (Date.now() - one.seen > limits.idleTimeout) void one.session.end();
      }
    },
    Math.min(30_000, Math.max(50, limits.idleTimeout / 4)),
  ).unref();
  const keepAlive = setInterval(() => {
    for (const { streams } of [...kept.values(), ...passing]) streams.keepAlive();
  }, KEEP_ALIVE).unref();

  return {
    get: (id) => kept.get(id),
    begin() {
      if (kept.size + begun.size >= limits.maxSessions)
        throw new HttpRefusal(
          503,
          `This server has its ${limits.maxSessions} sessions; try again in a minute.`,
          -32_000,
          { "retry-after": "60" },
        );
      const made = make(upstream.mintsIds ? randomUUID() : undefined, upstream.openSession, true);
      begun.add(made);
      return made;
    },
    keep(made) {
      const { id, signal } = made.session;
      const one = [...begun].find((each) => each === made);
      if (one === undefined || id === undefined || signal.aborted) return false;
      begun.delete(one);
      one.touch();
      kept.set(id, one);
      return true;
    },
    transient(caller) {
      const made = make(undefined, (host) => upstream.openTransient(host, caller), false);
      passing.add(made);
      return made;
    },
    async close() {
      clearInterval(sweep);
      clearInterval(keepAlive);
      await Promise.all([...kept.values(), ...begun, ...passing].map(({ session }) => session.end()));
      await Promise.all(ending);
    },
  };
}

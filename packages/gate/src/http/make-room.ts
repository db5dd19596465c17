import type { Rules } from "../exchange.ts";
import type { Limits } from "../limits.ts";
import type { ClientSession } from "../session/session.ts";
import { HttpRefusal } from "./responses.ts";

/** A session, and when its client was heard of last. */
interface Place {
  readonly session: ClientSession;
  readonly seen: number;
}

/** A session that begins, the others, and how many of those that are over still end. */
export interface Arrival {
  readonly made: Place;
  readonly all: readonly Place[];
  readonly ending: number;
}

/**
 * Makes room for a session: anybody can begin one, so those in which no valid token was sent have a part of the places
 * alone, and the one whose client was heard of least recently gives way.
 *
 * @throws HttpRefusal 503 where there is none: the session that begins is over
 */
export function makeRoom(
  { isOwned }: Pick<Rules, "isOwned">,
  { maxSessions, maxAnonymousSessions }: Limits,
  { made, all, ending }: Arrival,
): void {
  const anonymous = all.filter(({ session }) => !isOwned(session));
  const [oldest] = anonymous.toSorted((one, other) => one.seen - other.seen);
  const isAgents = isOwned(made.session);
  if (all.length < maxSessions && (isAgents || anonymous.length < maxAnonymousSessions)) return;
  // A process takes its time to end: who begins one session after the other waits for that.
  if (oldest !== undefined && (isAgents || ending < maxAnonymousSessions)) return void oldest.session.end();
  void made.session.end();
  const sentence = isAgents
    ? `This server has its ${maxSessions} sessions`
    : "This server has no more sessions for clients that send no valid token with initialize";
  throw new HttpRefusal(503, `${sentence}; try again in a minute.`, -32_000, { "retry-after": "60" });
}

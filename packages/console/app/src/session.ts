import type { KeyScope, Mode } from "@licentric/contract";
import { useSyncExternalStore } from "react";
import { ApiError, request } from "./api.ts";

/** A signed-in console: a management key of its own, in this tab's memory alone. */
export interface Session {
  readonly id: string;
  readonly key: string;
  readonly name: string | null;
  readonly mode: Mode;
  /** null: full access. */
  readonly scopes: readonly KeyScope[] | null;
  readonly expiresAt: string;
}

/** Sessions of the tab, and the reason where there is none. */
export interface SignedIn {
  readonly active: Mode | null;
  readonly sessions: Readonly<Partial<Record<Mode, Session>>>;
  /** A sentence about a sign-in that failed or a session that ended. */
  readonly notice: string | null;
  readonly busy: boolean;
}

let state: SignedIn = { active: null, sessions: {}, notice: null, busy: false };
const listeners = new Set<() => void>();

function set(change: Partial<SignedIn>) {
  state = { ...state, ...change };
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The tab's sign-in, as it changes. */
export function useSignedIn(): SignedIn {
  return useSyncExternalStore(subscribe, () => state);
}

/** The session whose data is shown; null where there is none. */
export function activeSession({ active, sessions }: SignedIn = state): Session | null {
  return active === null ? null : (sessions[active] ?? null);
}

/** The session whose data is shown. Pages are there only where there is one. */
export function useSession(): Session {
  const session = activeSession(useSignedIn());
  if (session === null) throw new Error("a page is shown without a session");
  return session;
}

/** Checks whether the session may do what needs this scope. */
export function may({ scopes }: Session, scope: KeyScope): boolean {
  return scopes === null || scopes.includes(scope);
}

/** Exchanges a one-time code, or the link that it came in, for a key. */
export async function signIn(codeOrLink: string): Promise<void> {
  const code = /lcc_[\w-]+/.exec(codeOrLink)?.[0];
  if (code === undefined) {
    set({
      notice: "This is not a code of the console. It begins with lcc_; paste the code or the whole link.",
    });
    return;
  }
  set({ busy: true, notice: null });
  try {
    const { data } = await request<{ data: Session }>("POST", "/api/v1/console/keys", code);
    set({ active: data.mode, sessions: { ...state.sessions, [data.mode]: data }, busy: false });
  } catch (error) {
    set({ busy: false, notice: error instanceof Error ? error.message : String(error) });
  }
}

/** Shows the data of the other mode, to which the tab is signed in as well. */
export function switchTo(mode: Mode): void {
  if (state.sessions[mode] !== undefined) set({ active: mode, notice: null });
}

/** Forgets a session, as one whose key was refused. */
export function endSession(id: string, notice: string): void {
  const rest = Object.values(state.sessions).filter((session) => session.id !== id);
  const sessions = Object.fromEntries(rest.map((session) => [session.mode, session]));
  const ended = activeSession()?.id === id;
  set({ sessions, active: ended ? (rest[0]?.mode ?? null) : state.active, notice });
}

/** Revokes the console's key where it may, and forgets it. One that may not ends by itself. */
export async function signOut(session: Session): Promise<void> {
  try {
    if (may(session, "keys:write")) await request("POST", `/api/v1/keys/${session.id}/revoke`, session.key);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
  endSession(session.id, "You are signed out.");
}

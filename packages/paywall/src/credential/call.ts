import type { CallSubject } from "../events.ts";
import type { TokenHash } from "./find-credential.ts";

/** One call, whichever SDK it came through. */
export interface Call extends CallSubject {
  /** The handler's arguments; they leave the process in no form but {@link Call.binding}. */
  readonly args: unknown;
  readonly token: string | undefined;
  /** Names the token where the token itself must not be kept. */
  readonly tokenHash: TokenHash;
  readonly signal: AbortSignal | undefined;
  /** The agent's own idempotency key; null where it sent something that is none. */
  readonly agentKey: string | null | undefined;
  /**
   * Returns whether other calls have the same key, as far as is known by now: then it is told from them by its binding, and else
   * it conflicts with them. Undefined where none has.
   */
  readonly sharesKey?: () => boolean;
  /** Tells its handler from others where its name does not, in this process alone. */
  readonly madeOf: string | undefined;
  /** True if the client says that this goes on with an earlier call. Only says: it proves nothing. */
  readonly continues: boolean;
  /**
   * Digest of what the call is and of its arguments: the same for every round of one call, and in every process. Reads
   * the arguments when it is first asked for, which is before anything is billed.
   */
  binding(): string;
  /** Names what that cannot tell from others in the arguments, in this process alone. Reads them as that does. */
  opaque(): string | undefined;
  /** Digest of the round: the client's response to an `input_required` result. */
  round(): string;
}

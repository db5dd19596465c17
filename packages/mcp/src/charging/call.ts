import type { CallSubject } from "../events.ts";
import { hashToken, type TokenHash } from "../http/token.ts";
import { META_PREFIX } from "../refusal.ts";
import type { RequestContext } from "../server/request-context.ts";
import { digest } from "../util/digest.ts";
import { isRecord, member } from "../util/record.ts";
import type { Gate } from "./gate.ts";

/** `_meta` key under which an agent may name its call, so that a repetition is neither run nor billed again. */
export const IDEMPOTENCY_META_KEY = `${META_PREFIX}idempotencyKey`;

/** One call, whichever SDK it came through. */
export interface Call extends CallSubject {
  /** What the handler gets; leaves the process in no form but {@link Call.binding}. */
  readonly args: unknown;
  readonly token: string | undefined;
  /** Names the token where the token itself must not be kept. */
  readonly tokenHash: TokenHash;
  readonly signal: AbortSignal | undefined;
  /** The agent's own idempotency key; null where it sent something that is none. */
  readonly agentKey: string | null | undefined;
  /** What tells its handler from others where its name does not, in this process alone. */
  readonly madeOf: string | undefined;
  /** Whether the client says that this goes on with an earlier call. Only says: it proves nothing. */
  readonly continues: boolean;
  /**
   * Digest of what the call is and of its arguments: the same for every round of one call. Reads the arguments when it
   * is first asked for, which is before anything is billed.
   */
  binding(): string;
  /** Digest of the round: what the client answered to an `input_required` result. */
  round(): string;
}

/** Puts a call together. */
export function toCall(
  gate: Gate,
  context: RequestContext,
  token: string | undefined,
  args: unknown,
  sentArgs: unknown = args,
): Call {
  let binding: string | undefined;
  let round: string | undefined;
  return {
    kind: gate.kind,
    name: gate.name,
    args,
    token,
    tokenHash: hashToken(token ?? ""),
    signal: context.signal,
    agentKey: readAgentKey(context.meta),
    madeOf: gate.madeOf,
    continues: context.continuation !== undefined,
    // Made when first asked for: most calls need neither.
    binding: () => (binding ??= digest(gate.id, sentArgs)),
    round: () => (round ??= digest(context.continuation)),
  };
}

function readAgentKey(meta: unknown): string | null | undefined {
  if (!isRecord(meta) || !(IDEMPOTENCY_META_KEY in meta)) return undefined;
  const key = member(meta, IDEMPOTENCY_META_KEY);
  return typeof key === "string" && /^[\x20-\x7E]{1,255}$/.test(key) ? key : null;
}

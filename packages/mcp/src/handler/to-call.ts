import type { Call, ChargedTarget, Fingerprint } from "@licentric/paywall/adapter";
import { digest, fingerprint, hashToken, property, readAgentKey } from "@licentric/paywall/adapter";
import type { RequestContext } from "../context/request-context.ts";
import { META_PREFIX } from "../protocol/meta.ts";

/** `_meta` key under which an agent may name its call, so that a repetition is neither run nor billed again. */
export const IDEMPOTENCY_META_KEY = `${META_PREFIX}idempotencyKey`;

/** Puts a call together. */
export function toCall(
  target: ChargedTarget,
  context: RequestContext,
  token: string | undefined,
  args: unknown,
  sentArgs: unknown = args,
): Call {
  let known: Fingerprint | undefined;
  let round: string | undefined;
  // Made when first asked for: most calls need neither.
  const read = () => (known ??= fingerprint(target.id, sentArgs));
  return {
    kind: target.kind,
    name: target.name,
    args,
    token,
    tokenHash: hashToken(token ?? ""),
    signal: context.signal,
    agentKey: readAgentKey(property(context.meta, IDEMPOTENCY_META_KEY)),
    madeOf: target.madeOf,
    continues: context.continuation !== undefined,
    binding: () => read().digest,
    opaque: () => read().opaque,
    round: () => (round ??= digest(context.continuation)),
  };
}

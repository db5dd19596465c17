import {
  type Call,
  type ChargedTarget,
  createExpiringMap,
  digest,
  type Fingerprint,
  fingerprint,
  hashToken,
  property,
  readAgentKey,
} from "@licentric/paywall/adapter";
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

/** A call with the key that it has for itself. */
export interface KeyedCall {
  readonly call: Call;
  /** Lets the next such call of the request have the key: this one was refused. */
  giveBack(): void;
}

/** Gives what one keyed request calls a key for each call. */
export interface InnerKeys {
  /**
   * A call with its own key, made of the agent's, of what it is, and of how many like it ran before in the request, so
   * that a repetition of the whole finds each of them again in whatever order they come. What the agent asked for has the
   * agent's own key, and so has each first one of several that a handler calls which is not charged for: any of them may
   * be what was asked for.
   *
   * @param request - what stands for the request as long as that runs: its scope, or its signal
   * @param isInside - whether the call is known to be made by something that was asked for
   */
  keyFor(call: Call, request: object | undefined, isInside: boolean): KeyedCall;
}

interface KeyedRequest {
  /** The binding of the first call, from outside of any charged call. */
  first: string | undefined;
  /** Numbers that are taken, by what is called. */
  readonly taken: Map<string, Set<number>>;
}

/** Milliseconds for which it is known that several calls share a key: as long as the paywall keeps their results. */
const TTL = 600_000;

/** Makes the keys of one paywall. */
export function createInnerKeys(): InnerKeys {
  const requests = new WeakMap<object, KeyedRequest>();
  const shared = createExpiringMap<true>({ limit: 10_000, ttl: TTL, now: () => performance.now() });

  /** A call from outside of any charged one, under the agent's key as long as that tells it. */
  function outermost(call: Call, agentKey: string, request: KeyedRequest, number: number): Call {
    const binding = call.binding();
    const key = digest(call.tokenHash, agentKey);
    request.first ??= binding;
    if (request.first !== binding) shared.set(key, true);
    const own = number === 0 ? agentKey : digest(agentKey, "again", binding, number);
    return { ...call, agentKey: own, sharesKey: () => shared.get(key) === true };
  }

  return {
    keyFor(call, request, isInside) {
      const { agentKey } = call;
      if (typeof agentKey !== "string" || request === undefined) return { call, giveBack: () => undefined };
      const known = requests.get(request) ?? { first: undefined, taken: new Map<string, Set<number>>() };
      requests.set(request, known);
      const binding = call.binding();
      // Another round of a call is the same call.
      const name = digest(binding, call.round(), isInside);
      const taken = known.taken.get(name) ?? new Set();
      known.taken.set(name, taken);
      let number = 0;
      while (taken.has(number)) number++;
      taken.add(number);
      return {
        call: isInside
          ? { ...call, agentKey: digest(agentKey, binding, number) }
          : outermost(call, agentKey, known, number),
        giveBack: () => taken.delete(number),
      };
    },
  };
}

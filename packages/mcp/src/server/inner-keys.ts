import type { Call } from "@licentric/paywall/adapter";
import { digest } from "@licentric/paywall/adapter";

/** A call with the key that it has for itself. */
export interface KeyedCall {
  readonly call: Call;
  /** Lets the next such call of the request have the key: this one was refused. */
  giveBack(): void;
}

/** Gives what one keyed request calls a key for each call. */
export interface InnerKeys {
  /**
   * A call with its own key. The agent's key names what it asked for; whatever that calls is another call, which has a
   * key made of the agent's, of what it is, and of how many like it ran before in the request: so that a repetition of
   * the whole finds each of them again.
   *
   * @param request - what stands for the request as long as that runs: its scope, or its signal
   * @param isInside - whether the call is known to be made by a handler; else the first of a request is what was asked for
   */
  keyFor(call: Call, request: object | undefined, isInside: boolean): KeyedCall;
}

interface KeyedRequest {
  readonly askedFor: string | undefined;
  /** Numbers that are taken, by what is called. */
  readonly taken: Map<string, Set<number>>;
}

/** Makes the keys of one paywall. */
export function createInnerKeys(): InnerKeys {
  const requests = new WeakMap<object, KeyedRequest>();
  return {
    keyFor(call, request, isInside) {
      const { agentKey } = call;
      if (typeof agentKey !== "string" || request === undefined) return { call, giveBack: () => undefined };
      const binding = call.binding();
      const known = requests.get(request) ?? {
        askedFor: isInside ? undefined : binding,
        taken: new Map<string, Set<number>>(),
      };
      requests.set(request, known);
      // Another round of a call is the same call.
      const name = digest(binding, call.round());
      const taken = known.taken.get(name) ?? new Set();
      known.taken.set(name, taken);
      let number = 0;
      while (taken.has(number)) number++;
      taken.add(number);
      const isAskedFor = number === 0 && binding === known.askedFor;
      return {
        call: isAskedFor ? call : { ...call, agentKey: digest(agentKey, binding, number) },
        giveBack: () => taken.delete(number),
      };
    },
  };
}

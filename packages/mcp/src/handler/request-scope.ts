import type {
  Charged,
  ChargedTarget,
  FinishedRun,
  Outcome,
  Policy,
  Refusal,
  RunningCall,
  Settlement,
} from "@licentric/paywall/adapter";
import { withResolvers } from "@licentric/paywall/adapter";

/** The kinds of things that a server serves. */
export type ServedKind = Exclude<ChargedTarget["kind"], "call">;

/** Something that a server serves, behind its policy. */
export interface ServedTarget extends ChargedTarget {
  readonly kind: ServedKind;
  /**
   * The owner's policy of what a server serves, where this stands before that and so before what a request can ask for;
   * undefined around a single handler. Targets of the same policy are charged once in a call.
   */
  readonly serves?: Policy;
}

/** A call that was asked for, and runs. */
export interface Running {
  readonly target: ServedTarget;
  /** The arguments that it is charged with. */
  readonly args: unknown;
  readonly call: RunningCall;
}

/** The result of a handler, returned or thrown. */
export type Completion = FinishedRun["completion"];

/** The thing that a request asks for. */
export interface Asked {
  /** The protected server that is asked. */
  readonly server: object;
  readonly kind: ServedKind;
  /**
   * The name that the thing is registered with: the call of this name is settled with the
   * request, any other one by itself.
   */
  readonly name: string | undefined;
  /** Arguments as the client sent them: a schema's defaults must not make one call look like two. */
  readonly sentArgs: unknown;
}

/**
 * A request whose outcome is known only further out than its handlers: after the SDK has checked the result, and after
 * whatever else wraps it. The call that it asks for ends when the request does.
 */
export interface RequestScope extends Asked {
  /** The call that was asked for, once it was authorized: other charged targets in this request let it through. */
  running: Running | undefined;
  /** The last result of the call: a wrapper of its handler, or another round, may make another result of it. */
  completion: Completion | undefined;
  /** The charge for what was asked for. */
  charged: Promise<Charged> | undefined;
  /** Set where the call was refused. */
  refusal: Refusal | undefined;
  /** The request is answered: what runs now is another call. */
  isOver: boolean;
  /** Waits for the end of the request, by which what was asked for is settled. */
  finished(): Promise<FinishedRun>;
  /**
   * Ends the request, and settles what was asked for, if that has run.
   *
   * @param outcomeOf - what the response means
   * @returns undefined where nothing was asked for, or it was refused or runs on
   */
  end(outcomeOf: (completion: Completion) => Outcome): Promise<Settlement | undefined>;
}

/** Opens the scope of a request. */
export function createRequestScope(asked: Asked): RequestScope {
  const ended = withResolvers<(completion: Completion) => Outcome>();
  const scope: RequestScope = {
    ...asked,
    running: undefined,
    completion: undefined,
    charged: undefined,
    refusal: undefined,
    isOver: false,
    async finished() {
      const outcomeOf = await ended.promise;
      const completion = scope.completion ?? { status: "returned", result: undefined };
      return { completion, outcome: outcomeOf(completion) };
    },
    async end(outcomeOf) {
      ended.resolve(outcomeOf);
      // A handler that runs on is settled when it ends, and nobody waits for it.
      if (scope.completion === undefined) return undefined;
      const charged = await scope.charged;
      return charged?.status === "ran" ? charged.settlement : undefined;
    },
  };
  return scope;
}

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

/** What a server serves. */
export type ServedKind = Exclude<ChargedTarget["kind"], "call">;

/** Something that a server serves, behind its policy. */
export interface ServedTarget extends ChargedTarget {
  readonly kind: ServedKind;
  /**
   * The owner's policy of what a server serves, where this stands before that and so before what a request can ask for;
   * undefined around a single handler. One call passes gates of the same policy as one.
   */
  readonly serves?: Policy;
}

/** What was asked for, and runs. */
export interface Running {
  readonly target: ServedTarget;
  /** What its gate was passed with. */
  readonly args: unknown;
  readonly call: RunningCall;
}

/** How a handler ended. */
export type Completion = FinishedRun["completion"];

/** What a request asks for. */
export interface Asked {
  /** The protected server that is asked. */
  readonly server: object;
  readonly kind: ServedKind;
  /**
   * What the client asked for, by the name that it is registered with: the gate of this name is settled with the
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
  /** What was asked for, once it was let in: whoever else stands before it in this request lets it through. */
  running: Running | undefined;
  /** How what was asked for ended last: what wraps a handler, or enters it again, may make another result of it. */
  completion: Completion | undefined;
  /** The charge for what was asked for. */
  charged: Promise<Charged> | undefined;
  /** Set where its gate refused. */
  refusal: Refusal | undefined;
  /** The request is answered: what runs now is another call. */
  isOver: boolean;
  /** Waits for the end of the request, by which what was asked for is settled. */
  finished(): Promise<FinishedRun>;
  /**
   * Ends the request, and settles what was asked for, if that has run.
   *
   * @param outcomeOf - what the answer means
   * @returns undefined where nothing was asked for, or it was refused or runs on
   */
  end(outcomeOf: (completion: Completion) => Outcome): Promise<Settlement | undefined>;
}

/** Opens the scope of a request. */
export function createRequestScope(asked: Asked): RequestScope {
  let tell: (outcomeOf: (completion: Completion) => Outcome) => void = () => undefined;
  const ended = new Promise<(completion: Completion) => Outcome>((resolve) => {
    tell = resolve;
  });
  const scope: RequestScope = {
    ...asked,
    running: undefined,
    completion: undefined,
    charged: undefined,
    refusal: undefined,
    isOver: false,
    async finished() {
      const outcomeOf = await ended;
      const completion = scope.completion ?? { status: "returned", result: undefined };
      return { completion, outcome: outcomeOf(completion) };
    },
    async end(outcomeOf) {
      tell(outcomeOf);
      // A handler that runs on is settled when it ends, and nobody waits for it.
      if (scope.completion === undefined) return undefined;
      const charged = await scope.charged;
      return charged?.status === "ran" ? charged.settlement : undefined;
    },
  };
  return scope;
}

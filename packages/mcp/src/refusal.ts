import type { BudgetState } from "@licentric/sdk";

/** Prefix of every `_meta` key that the paywall reads or writes. */
export const META_PREFIX = "com.licentric/";

/** `_meta` key of a refusal, in results and in JSON-RPC errors. */
export const REFUSAL_META_KEY = `${META_PREFIX}refusal`;

/** Why a call was refused. Stable: agents and owners may branch on it. */
export type RefusalCode =
  /** No credential came with the call. */
  | "missing_token"
  /** The credential is unknown, malformed, revoked or expired. */
  | "invalid_token"
  /** The credential is good and does not allow this. */
  | "insufficient_scope"
  /** The agent's budget has too little left; `resetsAt` says when the call fits again. */
  | "budget_exceeded"
  /** Too many calls; `retryAfter` says how many seconds to wait. */
  | "rate_limited"
  /** The billing service could not be asked. Not a debt: nothing is owed. */
  | "billing_unavailable"
  /** The idempotency key has paid for a call before whose result is gone, or was released with a call that failed. */
  | "idempotency_replay"
  /** The idempotency key was used with other arguments, or is no key. */
  | "idempotency_conflict"
  /** What the call costs cannot be computed, or the API does not take it: the server's owner has to act. */
  | "misconfigured";

/** A refused call: nothing was delivered or charged, and nothing ran unless the message says so. */
export interface Refusal {
  readonly code: RefusalCode;
  /** A sentence that a model can act on and a person can read. */
  readonly message: string;
  /** The HTTP status that means the same: what the door answers. */
  readonly status: number;
  /** Whether the same call can pass later although nobody did anything. */
  readonly retryable: boolean;
  /** Seconds to wait, of `rate_limited`. */
  readonly retryAfter?: number;
  /**
   * When the budget starts again (ISO 8601), of `budget_exceeded`. null: waiting does not help, as the budget never
   * does or the call needs more than the whole of it.
   */
  readonly resetsAt?: string | null;
  /** The budget, of `budget_exceeded`. */
  readonly budget?: BudgetState;
  /** The scopes that the call needs, of `insufficient_scope`. */
  readonly requiredScopes?: readonly string[];
  /** The owner's link: where to get a credential, or a larger budget. */
  readonly link?: string;
}

/** Where the owner sends agents and people that were refused. */
export interface Links {
  /** Where to get a credential, or one with more scopes. */
  readonly credential?: string;
  /** Where to get a larger budget. */
  readonly budget?: string;
}

/**
 * The HTTP status that means the same as each code, and the code of the JSON-RPC error. That is neither reserved by
 * JSON-RPC nor like a status: clients (MCP Inspector) sign in where "401" stands anywhere in an error's message.
 */
export const REFUSALS: Readonly<
  Record<RefusalCode, { readonly status: number; readonly errorCode: number }>
> = {
  missing_token: { status: 401, errorCode: 6001 },
  invalid_token: { status: 401, errorCode: 6002 },
  insufficient_scope: { status: 403, errorCode: 6003 },
  budget_exceeded: { status: 402, errorCode: 6004 },
  rate_limited: { status: 429, errorCode: 6005 },
  billing_unavailable: { status: 503, errorCode: 6006 },
  idempotency_replay: { status: 409, errorCode: 6007 },
  idempotency_conflict: { status: 409, errorCode: 6008 },
  misconfigured: { status: 500, errorCode: 6009 },
};

/** What is known of a refusal besides its code. */
export interface RefusalDetails {
  readonly retryAfter?: number | undefined;
  readonly budget?: BudgetState | undefined;
  /** What the call needs of the budget; 1 by default. */
  readonly quantity?: number | undefined;
  readonly requiredScopes?: readonly string[] | undefined;
  /** Whether the call's handler has run: it was refused when it was to be billed. */
  readonly hasRun?: boolean | undefined;
  /** Replaces the code's sentence. */
  readonly message?: string | undefined;
}

/** Makes a refusal with its sentence. */
export function refuse(code: RefusalCode, links: Links = {}, details: RefusalDetails = {}): Refusal {
  const { retryAfter, budget, requiredScopes } = details;
  const link = linkFor(code, links);
  const resetsAt = isTooLarge(details) ? null : (budget?.resetsAt ?? null);
  return {
    code,
    message: [details.message ?? sentence(code, details), link === undefined ? [] : `See ${link}`]
      .flat()
      .join(" "),
    status: REFUSALS[code].status,
    retryable: code === "rate_limited" || code === "billing_unavailable" || resetsAt !== null,
    ...(retryAfter !== undefined && { retryAfter }),
    ...(budget !== undefined && { budget, resetsAt }),
    ...(requiredScopes !== undefined && { requiredScopes }),
    ...(link !== undefined && { link }),
  };
}

/** Whether a call needs more than the whole budget: then it does not fit when that starts again, either. */
function isTooLarge({ budget, quantity = 1 }: RefusalDetails): boolean {
  return budget !== undefined && quantity > budget.limit;
}

function linkFor(code: RefusalCode, links: Links): string | undefined {
  if (code === "missing_token" || code === "invalid_token" || code === "insufficient_scope")
    return links.credential;
  return code === "budget_exceeded" ? links.budget : undefined;
}

function sentence(code: RefusalCode, details: RefusalDetails): string {
  const { retryAfter, budget, quantity = 1, requiredScopes = [], hasRun = false } = details;
  const nothing = hasRun
    ? "The call was run, and its result is withheld. Nothing was charged."
    : "Nothing was run or charged.";
  switch (code) {
    case "missing_token":
      return `This call needs an agent credential and came without one. Send it as "Authorization: Bearer AGT-…" (to a stdio server as the environment variable LICENTRIC_AGENT_TOKEN). ${nothing}`;
    case "invalid_token":
      return `The agent credential is not valid: unknown, revoked or expired. Get a new one and call again. ${nothing}`;
    case "insufficient_scope":
      return `The agent credential does not allow this call.${requiredScopes.length === 0 ? "" : ` It needs the scope ${requiredScopes.map((scope) => `"${scope}"`).join(", ")}: get a credential that has it.`} ${nothing}`;
    case "budget_exceeded":
      if (budget !== undefined && isTooLarge(details))
        return `The agent's whole budget (${budget.limit} ${budget.meterName}) is less than this call needs (${quantity}), so waiting does not help: ask its owner for a larger one. ${nothing}`;
      return `The agent's budget is used up${budget === undefined ? "" : ` (${budget.used} of ${budget.limit} ${budget.meterName})`}. ${budget?.resetsAt ? `It starts again at ${budget.resetsAt}; call again then.` : "It does not start again by itself: ask its owner for a larger one."} ${nothing}`;
    case "rate_limited":
      return `Too many calls. ${retryAfter === undefined ? "Wait a little" : `Wait ${retryAfter} seconds`}, then call again. ${nothing}`;
    case "billing_unavailable":
      return `The billing service cannot be reached, so this call ${hasRun ? "was run and its result is withheld" : "was not run"}. This is an outage and not a debt: nothing is owed, and no other credential will help. Call again in a moment; should this call have been counted, the next one is not counted again.`;
    case "idempotency_replay":
      return `This idempotency key has already paid for a call, whose result is no longer kept. To run the call again, send a new key or none. ${nothing}`;
    case "idempotency_conflict":
      return `This idempotency key was used for a call with other arguments. Send a new key or none. ${nothing}`;
    case "misconfigured":
      return `This server cannot bill this call as it is set up, so ${hasRun ? "its result is withheld" : "it was not run"}. The fault is this server's and no other credential will help; please tell its owner. Nothing was charged.`;
  }
}

/** A refusal as a tool result: the one shape that every official client hands to the agent, whatever the tool's output schema is. */
export interface RefusalResult {
  [key: string]: unknown;
  content: { type: "text"; text: string }[];
  isError: true;
  _meta: Record<string, unknown>;
}

/** The refusal as a tool result. No `structuredContent`: clients would hold it against the tool's output schema. */
export function toToolResult(refusal: Refusal): RefusalResult {
  return {
    content: [{ type: "text", text: refusal.message }],
    isError: true,
    _meta: { [REFUSAL_META_KEY]: refusal },
  };
}

/**
 * A refusal as a JSON-RPC error: `code` is one of 6001 to 6009, and `data` the {@link Refusal}, where `code` names the
 * reason and `status` is the HTTP status that means the same. Thrown for prompts and resources, which have no error result, and for
 * tools where `refusals: "error"` says so.
 */
export class RefusedError extends Error {
  /** The JSON-RPC error code: 6001 to 6009, one for each {@link RefusalCode} in its order. */
  readonly code: number;
  /** The refusal. */
  readonly data: Refusal;

  static {
    RefusedError.prototype.name = "RefusedError";
  }

  /** @param refusal - why the call was refused */
  constructor(refusal: Refusal) {
    super(refusal.message);
    this.code = REFUSALS[refusal.code].errorCode;
    this.data = refusal;
  }
}

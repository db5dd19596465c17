import type { BudgetState } from "@licentric/sdk";

/** The reason why a call was refused. Stable: agents and owners may branch on it. */
export type RefusalCode =
  /** No credential came with the call. */
  | "missing_token"
  /** The credential is unknown, malformed, revoked or expired. */
  | "invalid_token"
  /** The credential is good and does not allow this. */
  | "insufficient_scope"
  /** The budget of the agent, or of its customer, has too little left; `resetsAt` says when the call fits again. */
  | "budget_exceeded"
  /** Too many calls; `retryAfter` says how many seconds to wait. */
  | "rate_limited"
  /** The billing service could not be asked. Not a debt: nothing is owed. */
  | "billing_unavailable"
  /** The idempotency key has paid for a call before whose result is gone, or was released with a call that failed. */
  | "idempotency_replay"
  /** The idempotency key was used with other arguments, or is no key. */
  | "idempotency_conflict"
  /** The price of the call cannot be computed, or the API does not take it: the server's owner has to act. */
  | "misconfigured";

/** A refused call: nothing was delivered or charged, and nothing ran unless the message says so. */
export interface Refusal {
  readonly code: RefusalCode;
  /** A sentence that a model can act on and a person can read. */
  readonly message: string;
  /** The HTTP status that means the same: what `requireBearerAuth` answers. */
  readonly status: number;
  /** True if the same call can pass later although nobody did anything. */
  readonly retryable: boolean;
  /** Seconds to wait, of `rate_limited`. */
  readonly retryAfter?: number;
  /**
   * The time at which the budget starts again (ISO 8601), of `budget_exceeded`. null: waiting does not help, as the budget never
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

/** The owner's links for agents and people that were refused. */
export interface Links {
  /** A page to get a credential, or one with more scopes. */
  readonly credential?: string;
  /** A page to get a larger budget. */
  readonly budget?: string;
}

/** The HTTP status that means the same as each code. */
export const STATUS: Readonly<Record<RefusalCode, number>> = {
  missing_token: 401,
  invalid_token: 401,
  insufficient_scope: 403,
  budget_exceeded: 402,
  rate_limited: 429,
  billing_unavailable: 503,
  idempotency_replay: 409,
  idempotency_conflict: 409,
  misconfigured: 500,
};

/** Details of a refusal besides its code. */
export interface RefusalDetails {
  readonly retryAfter?: number | undefined;
  readonly budget?: BudgetState | undefined;
  /** Units of the budget that the call needs; 1 by default. */
  readonly quantity?: number | undefined;
  readonly requiredScopes?: readonly string[] | undefined;
  /** True if the call's handler has run: it was refused when it was to be billed. */
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
    status: STATUS[code],
    retryable: code === "rate_limited" || code === "billing_unavailable" || resetsAt !== null,
    ...(retryAfter !== undefined && { retryAfter }),
    ...(budget !== undefined && { budget, resetsAt }),
    ...(requiredScopes !== undefined && { requiredScopes }),
    ...(link !== undefined && { link }),
  };
}

/** Returns whether a call needs more than the whole budget: then it does not fit when that starts again, either. */
function isTooLarge({ budget, quantity = 1 }: RefusalDetails): boolean {
  // Of one in money the API says so, as it knows the price: then it has no `resetsAt`.
  return budget !== undefined && budget.amounts === undefined && quantity > budget.limit;
}

/** Returns how much of a budget is used, in words: `5 of 5 api_calls`, `49.9 of 50.00 EUR`. */
function usedOf({ used, limit, meterName, amounts }: BudgetState): string {
  if (amounts === undefined) return `${used} of ${limit} ${meterName}`;
  return `${amounts.used} of ${amounts.limit} ${amounts.currency.toUpperCase()}`;
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
    case "budget_exceeded": {
      const whose = budget?.shared === true ? "The customer's" : "The agent's";
      if (budget !== undefined && isTooLarge(details))
        return `${whose} whole budget (${budget.limit} ${budget.meterName}) is less than this call needs (${quantity}), so waiting does not help: ask its owner for a larger one. ${nothing}`;
      return `${whose} budget is used up${budget === undefined ? "" : ` (${usedOf(budget)})`}. ${budget?.resetsAt ? `It starts again at ${budget.resetsAt}; call again then.` : "It does not start again by itself: ask its owner for a larger one."} ${nothing}`;
    }
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

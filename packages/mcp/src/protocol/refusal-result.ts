import type { Refusal, RefusalCode } from "@licentric/paywall/adapter";
import { META_PREFIX } from "./meta.ts";

/** `_meta` key of a refusal, in results and in JSON-RPC errors. */
export const REFUSAL_META_KEY = `${META_PREFIX}refusal`;

/**
 * The code of each refusal as a JSON-RPC error. It is neither reserved by JSON-RPC nor like an HTTP status: clients (MCP
 * Inspector) sign in where "401" stands anywhere in an error's message.
 */
const ERROR_CODES: Readonly<Record<RefusalCode, number>> = {
  missing_token: 6001,
  invalid_token: 6002,
  insufficient_scope: 6003,
  budget_exceeded: 6004,
  rate_limited: 6005,
  billing_unavailable: 6006,
  idempotency_replay: 6007,
  idempotency_conflict: 6008,
  misconfigured: 6009,
};

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
export class RefusedRequestError extends Error {
  /** The JSON-RPC error code: 6001 to 6009, one for each {@link RefusalCode} in its order. */
  readonly code: number;
  /** The refusal. */
  readonly data: Refusal;

  static {
    RefusedRequestError.prototype.name = "RefusedRequestError";
  }

  /** @param refusal - why the call was refused */
  constructor(refusal: Refusal) {
    super(refusal.message);
    this.code = ERROR_CODES[refusal.code];
    this.data = refusal;
  }
}

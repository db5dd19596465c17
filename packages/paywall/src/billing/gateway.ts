import type { BudgetState } from "@licentric/sdk";
import type { DeliveryOutcome } from "../journal/delivery.ts";
import type { JournalEvent } from "../journal/journal-event.ts";
import type { Refusal } from "../refusal/refusal.ts";

/** What the paywall asks for: everything but the token. */
export interface MeterRequest {
  readonly meterName?: string;
  readonly quantity?: number;
  readonly enforceBudget?: boolean;
  readonly requiredScopes?: readonly string[];
}

/** What the paywall needs to know of the event that a request recorded. */
export interface Recorded {
  /** Its key had recorded it before. */
  readonly duplicate: boolean;
  /** Milliseconds since then, where the API says it. */
  readonly age?: number | undefined;
}

/** What the paywall needs to know of a verification. */
export interface Verified {
  readonly accountId: string;
  readonly agentId: string;
  readonly scopes: readonly string[];
  readonly expiresAt?: string | undefined;
  readonly event?: Recorded | undefined;
  readonly budget?: BudgetState | undefined;
}

/** What the paywall needs to know of a hold. */
export interface Reserved extends Verified {
  readonly reservation: { readonly id: string; readonly status: string };
}

/** What the paywall needs to know of a commit. */
export interface Committed {
  /** The hold was gone, or settled otherwise: nothing was billed now. */
  readonly lapsed: boolean;
  readonly event?: Recorded | undefined;
}

/** What the paywall needs to know of a release. */
export interface Released {
  /** It was committed before, and stays so. Else it holds nothing any more, and no commit of it is taken. */
  readonly committed: boolean;
}

/** How one request is sent. */
export interface GatewayOptions {
  /** The same for every try of this request. */
  readonly idempotencyKey: string;
  /**
   * Milliseconds for all tries together, from when the first is sent. Before that it waits for its turn: as long at
   * most, and four times as long where it settles a call.
   */
  readonly deadline: number;
  /** The call's handler has run: the request goes before those of calls that have not begun. */
  readonly settles?: boolean;
}

/**
 * What came back: an answer, or why there is none.
 */
export type GatewayResponse<Value> = { readonly value: Value; readonly retried: boolean } | RefusedResponse;

/** Why there is no answer. */
export interface RefusedResponse {
  readonly refusal: Refusal;
  /** The API may have done what was asked, although its answer never came. */
  readonly unknown: boolean;
  readonly cause: unknown;
}

/** What the owner has to know of a refused request; undefined where it is the agent's own affair. */
export function reasonForOwner({ refusal, cause }: RefusedResponse): string | undefined {
  if (refusal.code === "billing_unavailable") return refusal.message;
  if (refusal.code !== "misconfigured") return undefined;
  const said = cause instanceof Error ? cause.message : String(cause);
  return `the API does not take this call (are baseUrl and the meter's name right?): ${said}`;
}

/** The API as the paywall sees it: the one place that knows of requests. */
export interface Gateway {
  verify(token: string, request: MeterRequest, options: GatewayOptions): Promise<GatewayResponse<Verified>>;
  reserve(
    token: string,
    request: MeterRequest & { readonly meterName: string; readonly expiresIn?: number },
    options: GatewayOptions,
  ): Promise<GatewayResponse<Reserved>>;
  commit(
    token: string,
    reservationId: string,
    quantity: number,
    options: GatewayOptions,
  ): Promise<GatewayResponse<Committed>>;
  release(token: string, reservationId: string, options: GatewayOptions): Promise<GatewayResponse<Released>>;
  /** Delivers journalled usage. Needs a management key. */
  record(events: readonly JournalEvent[], signal: AbortSignal): Promise<readonly DeliveryOutcome[]>;
  close(): Promise<void>;
}

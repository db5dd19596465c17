import type { AgentPrice } from "@licentric/sdk";
import type { VerifiedAgent } from "../credential/caller.ts";
import type { DeliveryOutcome } from "../journal/delivery.ts";
import type { EventBatch } from "../journal/event-batch.ts";
import type { Refusal } from "../refusal/refusal.ts";

/** A request to verify and to meter, without the token. */
export interface MeterRequest {
  readonly meterName?: string;
  readonly quantity?: number;
  readonly enforceBudget?: boolean;
  readonly requiredScopes?: readonly string[];
}

/** The event that a request recorded. */
export interface Recorded {
  /** Its key had recorded it before. */
  readonly duplicate: boolean;
  /** Milliseconds since then, where the API says it. */
  readonly age?: number | undefined;
}

/** A verified caller. */
export interface Verified extends VerifiedAgent {
  readonly event?: Recorded | undefined;
}

/** A reservation. */
export interface Reserved extends Verified {
  readonly reservation: { readonly id: string; readonly status: string };
}

/** The result of a commit. */
export interface Committed {
  /** The reservation was gone, or settled otherwise: nothing was billed now. */
  readonly lapsed: boolean;
  readonly event?: Recorded | undefined;
}

/** The result of a release. */
export interface Released {
  /** It was committed before, and stays so. Else it reserves nothing any more, and no commit of it is taken. */
  readonly committed: boolean;
}

/** Options of one request. */
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
 * The response to a request, or the reason why there is none.
 */
export type GatewayResponse<Value> = { readonly value: Value; readonly retried: boolean } | RefusedResponse;

/** The reason why there is no response. */
export interface RefusedResponse {
  readonly refusal: Refusal;
  /** The API may have done what was asked, although its response never came. */
  readonly unknown: boolean;
  readonly cause: unknown;
}

/** Returns the sentence about a refused request that the owner has to hear; undefined where it is the agent's own affair. */
export function reasonForOwner({ refusal, cause }: RefusedResponse): string | undefined {
  if (refusal.code === "billing_unavailable")
    return "the API cannot be reached (is it running, and is baseUrl or LICENTRIC_BASE_URL right?)";
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
  /** Lists the prices of all meters that the token's agent pays. */
  listPrices(token: string, options: GatewayOptions): Promise<GatewayResponse<readonly AgentPrice[]>>;
  /** Delivers journalled usage. Needs a management key. */
  record(batch: EventBatch, signal: AbortSignal): Promise<readonly DeliveryOutcome[]>;
  close(): Promise<void>;
}

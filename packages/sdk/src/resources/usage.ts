import { createHash, randomUUID } from "node:crypto";
import { ERROR_STATUS, type NewUsageEvent, routes } from "@licentric/contract";
import type { z } from "zod";
import type { Api, BodyOf, QueryOf } from "../api.ts";
import type { APIPromise } from "../api-promise.ts";
import type { ResponseOf } from "../check-response.ts";
import { errorFor } from "../error-from-answer.ts";
import { ResponseValidationError } from "../errors.ts";
import type { RequestOptions } from "../options.ts";
import type { PagePromise } from "../page.ts";

/** Usage to record: `quantity` is 1 and `timestamp` is now by default. */
export type UsageRecordParams = z.input<typeof NewUsageEvent>;

/** Usage that was recorded. */
export type UsageEvent = ResponseOf<typeof routes.usage.listEvents>;

/** The outcome of one event of a batch. */
export type RecordOutcome = ResponseOf<typeof routes.usage.recordBatch>["results"][number];

/** The outcome of one event of a batch that was JSON already: as {@link RecordOutcome}, without the event. */
export type RecordStatus = ResponseOf<typeof recordStatuses>["results"][number];

/**
 * The outcome of an event that was not rejected: `duplicate` where its idempotency key had recorded it
 * before.
 */
export type RecordedUsage = Exclude<RecordOutcome, { status: "rejected" }>;

/** Filters, page size and cursor of {@link Usage.listEvents}. */
export type UsageListEventsParams = QueryOf<typeof routes.usage.listEvents>;

/** Filters and dimensions of {@link Usage.totals}. */
export type UsageTotalsParams = QueryOf<typeof routes.usage.totals>;

/** The usage of one meter, by what was asked for. */
export type UsageTotal = ResponseOf<typeof routes.usage.totals>[number];

/** Time, interval, filters and dimensions of {@link Usage.timeseries}. */
export type UsageTimeseriesParams = QueryOf<typeof routes.usage.timeseries>;

/** The usage of one meter in one interval, by what was asked for. */
export type UsageIntervalTotal = ResponseOf<typeof routes.usage.timeseries>[number];

/** A correction of usage. */
export type Adjustment = ResponseOf<typeof routes.usage.refundEvent>;

/** Parameters of {@link Usage.refundEvent} besides the event. */
export type UsageRefundParams = BodyOf<typeof routes.usage.refundEvent>;

const { recordBatch } = routes.usage;

/** The same route, of whose response less is asked for and read: the events would take most of the time. */
const recordStatuses = { ...recordBatch, response: recordBatch.minimalResponse };

/** Usage that was recorded, and recording it without an agent's token. */
export class Usage {
  readonly #api: Api;

  /** Made by the client. @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Records one usage event. It has happened, so nothing refuses it but a mistake in it: the meter's
   * `maxQuantityPerCall` binds agents' own tokens alone, and over an `enforced` budget it is recorded with
   * `overBudget: true`. An event without an `idempotencyKey` gets one, so that a retry never records twice;
   * give your own to make a repetition after a crash safe, too.
   *
   * @throws ValidationError where the event is not legal, or there is no such meter
   * @throws NotFoundError where there is no such agent
   * @example
   * ```ts
   * const { event, status } = await client.usage.record({
   *   agentId: "agt_1",
   *   meterName: "pages",
   *   quantity: 12,
   *   idempotencyKey: "job-8731",
   * });
   * ```
   */
  record(event: UsageRecordParams, options?: RequestOptions): APIPromise<RecordedUsage> {
    const body = { events: withKeys([event], options?.idempotencyKey) };
    return this.#api.callAs(routes.usage.recordBatch, { body }, options, ({ results: [outcome] }) => {
      if (outcome === undefined) {
        throw new ResponseValidationError(
          "The API answered no outcome for the event: data.results is empty.",
        );
      }
      if (outcome.status === "rejected") throw rejection(outcome);
      return outcome;
    });
  }

  /**
   * Records up to 1,000 usage events in one request. One that is rejected does not hold up the others: look at
   * every outcome. Events without an `idempotencyKey` get one, so that a retry never records twice.
   *
   * @returns one outcome per event, in the order given
   * @throws ValidationError where there are none or too many events
   * @example
   * ```ts
   * const outcomes = await client.usage.recordBatch([
   *   { agentId: "agt_1", meterName: "pages", quantity: 12 },
   *   { agentId: "agt_2", meterName: "pages", quantity: 3 },
   * ]);
   * const rejected = outcomes.filter((outcome) => outcome.status === "rejected");
   * ```
   */
  recordBatch(
    events: readonly UsageRecordParams[],
    options?: RequestOptions,
  ): APIPromise<readonly RecordOutcome[]> {
    const body = { events: withKeys(events, options?.idempotencyKey) };
    return this.#api.callAs(routes.usage.recordBatch, { body }, options, ({ results }) =>
      oneForEach(results, events.length),
    );
  }

  /**
   * Records up to 1,000 usage events that are JSON already, as a journal or a queue keeps them: they are sent as they are,
   * and of the response only the statuses are asked for, so that an event takes a fraction of the processor time. Each event
   * needs an `idempotencyKey` of its own: none is added.
   *
   * @param json - the request's body, `{"events":[…]}`, as a string or in UTF-8
   * @param count - the number of events in it
   * @returns one status per event, in the order given
   * @throws ValidationError where there are none or too many events, or the body is not JSON
   * @example
   * ```ts
   * const lines = ['{"idempotencyKey":"job-8731","agentId":"agt_1","meterName":"pages","quantity":12}'];
   * const statuses = await client.usage.recordJson(`{"events":[${lines.join()}]}`, lines.length);
   * ```
   */
  recordJson(
    json: string | Uint8Array,
    count: number,
    options?: RequestOptions,
  ): APIPromise<readonly RecordStatus[]> {
    return this.#api.callAs(recordStatuses, { json, minimal: true }, options, ({ results }) =>
      oneForEach(results, count),
    );
  }

  /**
   * Lists usage events, newest first.
   *
   * @example
   * ```ts
   * for await (const event of client.usage.listEvents({ agentId: "agt_1" })) show(event.meterName, event.quantity);
   * const [event] = (await client.usage.listEvents({ idempotencyKey: "job-8731" })).data; // as a receipt names it
   * ```
   */
  listEvents(params: UsageListEventsParams = {}, options?: RequestOptions): PagePromise<UsageEvent> {
    return this.#api.list(routes.usage.listEvents, { query: params }, options);
  }

  /**
   * Sums usage by meter and, if asked for, by agent, customer or day; of the current period by default. It is what was
   * recorded, before adjustments: a period's own `totals` are what is billed. A sum beyond `Number.MAX_SAFE_INTEGER` has
   * the exact quantity in `quantityDecimal`.
   *
   * @example
   * ```ts
   * const totals = await client.usage.totals({ meterName: "pages", groupBy: ["agent", "day"] });
   * ```
   */
  totals(params: UsageTotalsParams = {}, options?: RequestOptions): APIPromise<UsageTotal[]> {
    return this.#api.call(routes.usage.totals, { query: params }, options);
  }

  /**
   * Sums usage by hour, day or month between two moments, by meter and, if asked for, by agent or customer, whose names
   * are beside their ids. By default it has the last 30 days by day. Days and months are in the account's time zone, and
   * intervals without usage are left out.
   *
   * @throws ValidationError where `to` is not later than `from`, or more time is asked for than the interval allows
   * @throws LicentricError where there are more than 10,000 sums, or hours of archived events are asked for
   * @example
   * ```ts
   * const days = await client.usage.timeseries({ from: "2026-11-01", to: "2026-12-01", groupBy: ["customer"] });
   * for (const { startsAt, customerName, quantity } of days) show(startsAt, customerName, quantity);
   * ```
   */
  timeseries(params: UsageTimeseriesParams = {}, options?: RequestOptions): APIPromise<UsageIntervalTotal[]> {
    return this.#api.call(routes.usage.timeseries, { query: params }, options);
  }

  /**
   * Takes back one event, once: an adjustment of minus its quantity, for whoever is to pay for the event. The event
   * stays as it is.
   *
   * @throws ConflictError where it is refunded already: `details.adjustmentId` names the refund
   * @throws NotFoundError where there is no such event
   * @throws ValidationError where it is archived
   * @example
   * ```ts
   * const { quantity, periodId } = await client.usage.refundEvent("evt_1", { reason: "the answer was empty" });
   * ```
   */
  refundEvent(eventId: string, params: UsageRefundParams, options?: RequestOptions): APIPromise<Adjustment> {
    return this.#api.call(routes.usage.refundEvent, { params: { eventId }, body: params }, options);
  }
}

/** @throws ResponseValidationError where there is not one outcome for each event */
function oneForEach<Outcome>(outcomes: readonly Outcome[], count: number): readonly Outcome[] {
  if (outcomes.length === count) return outcomes;
  throw new ResponseValidationError(
    `The API answered ${outcomes.length} outcomes for ${count} events: data.results does not match.`,
  );
}

/**
 * The events, each with an idempotency key. Where the caller named the request, the keys follow from that name:
 * with random ones, repeating the call would send another body under the same name, which is a conflict.
 */
function withKeys(events: readonly UsageRecordParams[], requestKey: string | undefined): UsageRecordParams[] {
  const nameOf = (index: number) =>
    requestKey === undefined
      ? randomUUID()
      : createHash("sha256").update(`${requestKey}\n${index}`).digest("hex");
  return events.map((event, index) => ({ ...event, idempotencyKey: event.idempotencyKey ?? nameOf(index) }));
}

function rejection(outcome: Extract<RecordOutcome, { status: "rejected" }>) {
  const known = Object.entries(ERROR_STATUS).find(([code]) => code === outcome.code);
  return errorFor(known?.[1] ?? 422, outcome.error, {
    answeredByApi: true,
    code: outcome.code,
    details: outcome.issues && { issues: outcome.issues },
  });
}

import * as z from "zod";
import { PageQuery } from "./envelope.ts";
import { ValidationIssue } from "./errors.ts";
import { MAX_BATCH_SIZE, MAX_TIMESERIES_DAYS } from "./limits.ts";
import {
  DisplayName,
  Id,
  IdempotencyKey,
  INEXACT_QUANTITY,
  isToldExactly,
  Metadata,
  MeterName,
  Quantity,
  QuantityTotal,
  summedQuantity,
  Timestamp,
} from "./primitives.ts";

/** Usage that was recorded. It never changes. */
export const UsageEvent = z.object({
  id: Id,
  agentId: Id,
  meterName: MeterName,
  quantity: Quantity,
  periodId: Id,
  idempotencyKey: IdempotencyKey.nullable(),
  timestamp: Timestamp.meta({ description: "When the usage happened." }),
  metadata: Metadata,
  createdAt: Timestamp.meta({ description: "When it was recorded." }),
});

/** Usage that was recorded. */
export type UsageEvent = z.infer<typeof UsageEvent>;

/** Usage to record. `quantity` is 1 and `timestamp` is now by default. */
export const NewUsageEvent = z.strictObject({
  agentId: Id,
  meterName: MeterName,
  quantity: Quantity.optional(),
  timestamp: Timestamp.optional().meta({
    description:
      "When the usage happened, from the year 2000 on. Usage of a period that is closed is recorded in the next open one. A clock that is up to 5 minutes ahead is taken for now; a later timestamp is rejected.",
  }),
  idempotencyKey: IdempotencyKey.optional(),
  metadata: Metadata.optional(),
});

/** An event of a batch before it is checked; documents show it as {@link NewUsageEvent}. */
export const UncheckedUsageEvent = z.unknown();

/** The body of `usage.recordBatch`. */
export const RecordUsage = z.strictObject({
  events: z
    .array(UncheckedUsageEvent)
    .min(1, "send at least one event")
    .max(MAX_BATCH_SIZE, `send at most ${MAX_BATCH_SIZE} events in one request`)
    .meta({ description: "Each is checked by itself, so that one bad event does not hold up the others." }),
});

const overBudget = z.literal(true).optional().meta({
  description:
    "There where it did not fit into a budget that is marked as enforced. The usage had happened, so it is recorded all the same.",
});

/** The outcome of one event of a batch; outcomes come in the order in which the events were sent. */
export const RecordOutcome = z.discriminatedUnion("status", [
  z.object({
    status: z.literal("recorded"),
    event: UsageEvent,
    overBudget,
  }),
  z.object({ status: z.literal("duplicate"), event: UsageEvent }),
  z.object({
    status: z.literal("rejected"),
    error: z.string(),
    code: z.string(),
    issues: z.array(ValidationIssue).optional(),
  }),
]);

/** The outcome of one event of a batch. */
export type RecordOutcome = z.infer<typeof RecordOutcome>;

/** The response of `usage.recordBatch`: one outcome per event, in the order sent. */
export const RecordResult = z.object({ results: z.array(RecordOutcome) });

const narrowing = {
  agentId: Id.optional(),
  customerId: Id.optional(),
  meterName: MeterName.optional(),
  periodId: Id.optional(),
};

/**
 * The part of {@link RecordResult} that is enough for a sender that has its events itself: which of them were recorded, and
 * what is wrong with the others.
 */
export const RecordStatuses = z.object({
  results: z.array(
    z.discriminatedUnion("status", [
      z.object({ status: z.literal("recorded"), overBudget }),
      z.object({ status: z.literal("duplicate") }),
      z.object({ status: z.literal("rejected"), error: z.string(), code: z.string() }),
    ]),
  ),
});

/** Query parameters of the list of usage events. */
export const ListEventsQuery = PageQuery.extend({
  ...narrowing,
  idempotencyKey: IdempotencyKey.optional().meta({
    description:
      "The event that was recorded under this key, as a receipt names it. Keys are an agent's own: two agents may have used the same one. Found for as long as keys are kept, 90 days by default.",
  }),
});

/** The dimensions that usage can be summed by, apart from the meter. */
export const UsageDimension = z.enum(["agent", "customer", "day"]);

/** Names of dimensions, comma-separated on the wire. */
function dimensions<Dimension extends z.ZodType<string, string>>(dimension: Dimension) {
  return z
    .union([z.string().transform((text) => text.split(",")), z.array(z.string())])
    .pipe(z.array(dimension))
    .optional();
}

/**
 * Query parameters of the usage totals, which are always by meter, and by the dimensions named
 * (comma-separated on the wire).
 */
export const UsageTotalsQuery = z.strictObject({
  ...narrowing,
  groupBy: dimensions(UsageDimension),
});

/** The usage of one meter, by what was asked for. */
export const UsageTotal = z
  .object({
    meterName: MeterName,
    agentId: Id.optional(),
    customerId: Id.nullable().optional(),
    day: z.iso.date().optional().meta({ description: "In the account's time zone." }),
    ...summedQuantity,
    eventCount: QuantityTotal,
  })
  .refine(isToldExactly, INEXACT_QUANTITY);

/** The usage of one meter, by what was asked for. */
export type UsageTotal = z.infer<typeof UsageTotal>;

/** The length of the intervals of a time series. */
export const UsageInterval = z.enum(["hour", "day", "month"]);

/** The length of the intervals of a time series. */
export type UsageInterval = z.infer<typeof UsageInterval>;

/** The dimensions that a time series of usage can be split by, apart from the meter. */
export const UsageTimeseriesDimension = z.enum(["agent", "customer"]);

const bound = z
  .union([z.iso.date(), Timestamp])
  .refine((text) => /^2\d{3}-/.test(text), "must lie between the years 2000 and 2999");

/** Query parameters of the time series of usage, which is always by meter: units of different meters do not add up. */
export const UsageTimeseriesQuery = z.strictObject({
  interval: UsageInterval.optional().meta({
    description: `\`day\` by default. At most ${MAX_TIMESERIES_DAYS.hour} days by hour, ${MAX_TIMESERIES_DAYS.day} by day, ${MAX_TIMESERIES_DAYS.month} by month.`,
  }),
  from: bound.optional().meta({
    description:
      "A moment, or a day in the account's time zone: the first interval is the one that it lies in. By default 24 hours, 30 days or 12 months before `to`.",
  }),
  to: bound.optional().meta({
    description:
      "The first moment, or day in the account's time zone, that is left out; an interval that it lies within is answered whole. Now by default.",
  }),
  agentId: Id.optional(),
  customerId: Id.optional(),
  meterName: MeterName.optional(),
  groupBy: dimensions(UsageTimeseriesDimension),
});

/** The usage of one meter in one interval, by what was asked for. */
export const UsageIntervalTotal = z
  .object({
    startsAt: Timestamp,
    endsAt: Timestamp.meta({ description: "First moment that no longer belongs to the interval." }),
    meterName: MeterName,
    agentId: Id.optional(),
    agentName: DisplayName.optional().meta({ description: "To keys with the scope `agents:read`." }),
    customerId: Id.nullable().optional().meta({ description: "null: the account itself pays." }),
    customerName: DisplayName.nullable()
      .optional()
      .meta({ description: "To keys with the scope `customers:read`; null: the account itself pays." }),
    ...summedQuantity,
    eventCount: QuantityTotal,
  })
  .refine(isToldExactly, INEXACT_QUANTITY);

/** The usage of one meter in one interval, by what was asked for. */
export type UsageIntervalTotal = z.infer<typeof UsageIntervalTotal>;

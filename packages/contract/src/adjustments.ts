import * as z from "zod";
import { PageQuery } from "./envelope.ts";
import { MAX_MEMO_LENGTH, MAX_QUANTITY } from "./limits.ts";
import { Id, MeterName, storable, Timestamp } from "./primitives.ts";

/** The reason of an adjustment, in the owner's words. */
const Reason = storable(z.string().trim().min(1).max(MAX_MEMO_LENGTH));

/** The quantity by which usage is corrected: a whole number of the meter's unit, and not zero. */
const AdjustedQuantity = z
  .int("quantity must be a whole number")
  .min(-MAX_QUANTITY)
  .max(MAX_QUANTITY)
  .refine((quantity) => quantity !== 0, "must not be 0: it would correct nothing")
  .meta({
    description: `Negative takes usage away, positive adds to it; ${MAX_QUANTITY} at most either way.`,
  });

/** A correction of usage. Events stay as they are; usage, adjustments and what was carried over are billed together. */
export const Adjustment = z.object({
  id: Id,
  agentId: Id,
  customerId: Id.nullable().meta({ description: "Who is billed for it; null: the account itself." }),
  meterName: MeterName,
  quantity: AdjustedQuantity,
  reason: z.string(),
  periodId: Id.meta({ description: "The period in which it counts." }),
  eventId: Id.nullable().meta({ description: "The event that it refunds; null: it refunds none." }),
  createdAt: Timestamp,
});

/** A correction of usage. */
export type Adjustment = z.infer<typeof Adjustment>;

/** The body of `billing.createAdjustment`. */
export const CreateAdjustment = z.strictObject({
  agentId: Id,
  meterName: MeterName,
  quantity: AdjustedQuantity,
  reason: Reason,
  periodId: Id.optional().meta({
    description:
      "A period that is open. By default the one that takes usage now, so that the adjustment is on the next invoice.",
  }),
  customerId: Id.nullable().optional().meta({
    description:
      "Who is billed for it; null: the account itself. By default whom the agent belongs to now, who may not be the one whose usage is corrected.",
  }),
});

/** The body of `usage.refundEvent`. */
export const RefundEvent = z.strictObject({ reason: Reason });

/** Query parameters of the list of adjustments. */
export const ListAdjustmentsQuery = PageQuery.extend({
  agentId: Id.optional(),
  customerId: Id.optional(),
  meterName: MeterName.optional(),
  periodId: Id.optional(),
  eventId: Id.optional().meta({ description: "The refund of this event." }),
});

import * as z from "zod";
import { PageQuery } from "./envelope.ts";
import { DEFAULT_MAX_QUANTITY_PER_CALL, MAX_QUANTITY } from "./limits.ts";
import { Price } from "./prices.ts";
import { DisplayName, Id, Metadata, MeterName, Timestamp } from "./primitives.ts";

/** The meter that every account has from the start. */
export const DEFAULT_METER_NAME = "api_calls";

const maxQuantityPerCall = z
  .int()
  .min(1)
  .max(MAX_QUANTITY)
  .meta({
    description: `The most that an agent may use in one call: more answers 422 and records nothing, so that no token spoils the books by a call. 1 to ${MAX_QUANTITY}; ${DEFAULT_MAX_QUANTITY_PER_CALL} by default. Usage that is recorded with a management key is not bound by it.`,
  });

/** Something that is counted and billed. */
export const Meter = z.object({
  id: Id,
  name: MeterName,
  displayName: DisplayName.meta({ description: "What an invoice line says." }),
  unit: DisplayName.meta({ description: 'One of what is counted, for example "call" or "token".' }),
  price: Price.nullable().meta({
    description: "What the period that runs is billed by; null: usage is counted and not charged.",
  }),
  ownPrice: z.literal(true).optional().meta({
    description: "There only where a customer was asked for, and `price` is its own.",
  }),
  maxQuantityPerCall: maxQuantityPerCall.optional(),
  nextPrice: z
    .object({ price: Price, billedFrom: Timestamp })
    .nullable()
    .optional()
    .meta({ description: "Another price that takes over with the next period; null: there is none." }),
  metadata: Metadata,
  createdAt: Timestamp,
  updatedAt: Timestamp,
});

/** Something that is counted and billed. */
export type Meter = z.infer<typeof Meter>;

/** The body of `meters.create`. The name cannot be changed later: events refer to it. */
export const CreateMeter = z.strictObject({
  name: MeterName,
  displayName: DisplayName.optional().meta({ description: "The name by default." }),
  unit: DisplayName.optional().meta({ description: '"unit" by default.' }),
  price: Price.optional(),
  maxQuantityPerCall: maxQuantityPerCall.optional(),
  metadata: Metadata.optional(),
});

/** The body of `meters.update`; a property left out stays as it is. */
export const UpdateMeter = z.strictObject({
  displayName: DisplayName.optional(),
  unit: DisplayName.optional(),
  maxQuantityPerCall: maxQuantityPerCall.optional(),
  metadata: Metadata.optional(),
});

/** Query parameters of the list of meters. */
export const ListMetersQuery = PageQuery.extend({
  name: MeterName.optional(),
  customerId: Id.optional().meta({
    description: "With the prices that this customer pays: its own, or else the account's.",
  }),
});

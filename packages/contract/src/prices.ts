import * as z from "zod";
import { PageQuery } from "./envelope.ts";
import { MAX_PRICE_TIERS } from "./limits.ts";
import { Decimal, Id, QuantityTotal, Timestamp } from "./primitives.ts";

/** One step of a tiered price: units up to and including `upTo`, null for all the rest. */
const Tier = z.strictObject({
  upTo: z.int().min(1).nullable(),
  unitPrice: Decimal,
  flatPrice: Decimal.optional().meta({ description: "Added once when the tier is reached." }),
});

const tiers = z
  .array(Tier)
  .min(1)
  .max(MAX_PRICE_TIERS)
  .refine(
    (steps) =>
      steps.every((step, index) => {
        if (index === steps.length - 1) return step.upTo === null;
        const previous = index === 0 ? 0 : (steps[index - 1]?.upTo ?? 0);
        return step.upTo !== null && step.upTo > previous;
      }),
    "each tier's upTo must be larger than the one before, and only the last tier has upTo: null",
  );

/** Units free of charge in each period or on each day, for each customer and for each agent without one. */
export const Allowance = z.strictObject({
  quantity: QuantityTotal.meta({ description: "Units free of charge each time." }),
  every: z.enum(["day", "period"]).meta({
    description:
      "`day`: a day in the period's time zone; `period`: the billing month. What is left is not kept.",
  }),
});

/** Units free of charge in each period or on each day. */
export type Allowance = z.infer<typeof Allowance>;

const common = {
  includedQuantity: QuantityTotal.optional().meta({
    description: "Units free of charge in each period, on each invoice; 0 by default.",
  }),
  allowance: Allowance.optional().meta({
    description:
      "In place of `includedQuantity`: units free of charge a day or a period, which a customer's agents share and an agent without a customer has alone.",
  }),
  minimumAmount: Decimal.optional().meta({ description: "The least that a period with any usage costs." }),
};

/**
 * The price of a meter's usage in one period, in the account's currency.
 *
 * - `per_unit`: every unit costs `unitPrice`.
 * - `graduated`: each tier's units cost that tier's price.
 * - `volume`: all units cost the price of the tier that the total falls into.
 * - `package`: every begun `packageSize` units cost `packagePrice`.
 */
export const Price = z
  .discriminatedUnion("model", [
    z.strictObject({ model: z.literal("per_unit"), unitPrice: Decimal, ...common }),
    z.strictObject({ model: z.literal("graduated"), tiers, ...common }),
    z.strictObject({ model: z.literal("volume"), tiers, ...common }),
    z.strictObject({
      model: z.literal("package"),
      packageSize: z.int().min(1),
      packagePrice: Decimal,
      ...common,
    }),
  ])
  .refine(({ includedQuantity, allowance }) => includedQuantity === undefined || allowance === undefined, {
    path: ["allowance"],
    message: "does not go with includedQuantity: both are units free of charge, so send one of them",
  });

/** The price of a meter's usage in one period. */
export type Price = z.infer<typeof Price>;

/** A price of a meter with the moment from which it applies. */
export const MeterPrice = z.object({
  id: Id,
  meterId: Id,
  customerId: Id.nullable().optional().meta({
    description: "The customer whose own price it is; null: the account's, which everybody else pays.",
  }),
  price: Price.nullable().meta({
    description: "null: from then on the customer has no price of its own, and pays the account's.",
  }),
  effectiveFrom: Timestamp,
  billedFrom: Timestamp.nullable().optional().meta({
    description:
      "Start of the first period that is billed by it, whole: a period has one price. null: none is, another price takes over before.",
  }),
  createdAt: Timestamp,
});

/** A price of a meter with the moment from which it applies. */
export type MeterPrice = z.infer<typeof MeterPrice>;

/**
 * The body of `meters.setPrice`. A whole period has one price: the one in effect when the period starts, or,
 * where there was none yet, the first that takes effect in it. `effectiveFrom` is now by default; to correct
 * the running period, name its `startsAt`. With a `customerId` it is that customer's own price, which goes before the
 * account's.
 */
export const SetMeterPrice = z
  .strictObject({
    price: Price.nullable().meta({
      description: "null, with a customerId: the customer pays the account's price again.",
    }),
    customerId: Id.optional().meta({ description: "For this customer alone; for everybody by default." }),
    effectiveFrom: Timestamp.optional(),
  })
  .refine(({ price, customerId }) => price !== null || customerId !== undefined, {
    path: ["price"],
    message:
      "may be null with a customerId alone, which then pays the account's price; for no charge, say a price of 0",
  });

/** Query parameters of `meters.listPrices`. */
export const ListMeterPricesQuery = PageQuery.extend({
  customerId: Id.optional().meta({ description: "Only this customer's own; all prices by default." }),
});

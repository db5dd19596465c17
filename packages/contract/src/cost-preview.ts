import * as z from "zod";
import { InvoiceLine, PeriodStatus, QuantityParts } from "./billing.ts";
import { invoiceTerms } from "./customer-terms.ts";
import { PageQuery } from "./envelope.ts";
import { Currency, DisplayName, Id, MeterName, Money, Timestamp } from "./primitives.ts";

const periodId = {
  periodId: Id.optional().meta({ description: "The period that takes usage now by default." }),
  customerId: Id.optional().meta({ description: "This customer's alone." }),
};

/** Query parameters of `billing.preview`. */
export const CostPreviewQuery = PageQuery.extend({
  ...periodId,
  cursor: Id.optional().meta({ description: "`pagination.nextCursor` of the previous page." }),
});

/** The cursor of `billing.preview`: the customer to continue after. */
export const CostPreviewCursor = z.uuid("is not the nextCursor of a page of this list");

/** The cost of a period for one payer, as it is now. */
export const CostPreview = z.object({
  periodId: Id,
  periodStatus: PeriodStatus,
  startsAt: Timestamp,
  endsAt: Timestamp.meta({ description: "First moment that no longer belongs to the period." }),
  customerId: Id.nullable().meta({ description: "null: the account itself." }),
  name: DisplayName,
  invoiceId: Id.nullable().meta({
    description:
      "The invoice that holds it already, whose lines and total these are; null: there is none yet.",
  }),
  currency: Currency,
  lines: z.array(InvoiceLine).meta({ description: "The lines of the invoice that would be made now." }),
  ...invoiceTerms,
  total: Money.meta({ description: "Without tax." }),
});

/** The cost of a period for one payer, as it is now. */
export type CostPreview = z.infer<typeof CostPreview>;

/** Query parameters of `billing.previewAgents`. */
export const AgentCostQuery = PageQuery.extend({
  ...periodId,
  agentId: Id.optional().meta({ description: "This agent's alone." }),
  cursor: Id.optional().meta({ description: "`pagination.nextCursor` of the previous page." }),
});

/** The cursor of `billing.previewAgents`: the agent, the meter and the payer to continue after. */
export const AgentCostCursor = z.templateLiteral(
  [z.uuid(), "_", z.uuid(), "_", z.union([z.uuid(), z.literal("own")])],
  "is not the nextCursor of a page of this list",
);

/** The part of a payer's cost that one agent's usage of one meter is. */
export const AgentCost = z.object({
  periodId: Id,
  agentId: Id,
  agentName: DisplayName.optional().meta({
    description: "There only where the key may read agents (`agents:read`).",
  }),
  customerId: Id.nullable().meta({
    description: "The customer that the agent belonged to; null: the account itself pays.",
  }),
  meterName: MeterName,
  ...QuantityParts.pick({ used: true, adjusted: true }).shape,
  currency: Currency,
  cost: z
    .string()
    .regex(/^-?\d+(\.\d{1,12})?$/)
    .meta({
      description:
        "The agent's part of the payer's line by its quantity, before the line is rounded, with at most 12 decimals; negative where adjustments take away more than was used.",
    }),
});

/** The part of a payer's cost that one agent's usage of one meter is. */
export type AgentCost = z.infer<typeof AgentCost>;

import * as z from "zod";
import { PageQuery } from "./envelope.ts";
import { Id, MeterName, QuantityTotal, Timestamp } from "./primitives.ts";

/**
 * The window of a budget, which starts again each day at midnight in the account's time zone, each billing
 * period, or never.
 */
export const BudgetWindow = z.enum(["day", "period", "total"]);

/** The status of a budget, by how far it is used up. */
export const BudgetStatus = z.enum(["ok", "warning", "exceeded"]);

/**
 * The state of the budget that applies to a call, as verify answers it. `shared` is there only on a budget of the
 * customer whom the agent belongs to.
 */
export const BudgetState = z.object({
  meterName: MeterName,
  limit: QuantityTotal,
  used: QuantityTotal.meta({ description: "Recorded and held; more than 2^53 - 1 is told as that." }),
  remaining: QuantityTotal,
  status: BudgetStatus,
  resetsAt: Timestamp.nullable().optional().meta({ description: "When it starts again; null: never." }),
  shared: z.literal(true).optional().meta({
    description:
      "There on a budget of the agent's customer, which all its agents use together: `used` is theirs in one sum.",
  }),
});

/** The state of the budget that applies to a call. */
export type BudgetState = z.infer<typeof BudgetState>;

const limit = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const warnAtPercent = z.int().min(1).max(100);
const enforced = z.boolean().meta({
  description:
    "Whether it holds whatever the caller says: a verify or a reserve that does not fit answers 402 and records nothing, also without `enforceBudget`. False by default. Usage that is recorded with a management key has happened: it is recorded, and flagged as `overBudget`.",
});

/** A limit on the use of one meter, by one agent or by a customer's agents together, and how much of it is used. */
export const Budget = BudgetState.extend({
  id: Id,
  agentId: Id.nullable().meta({ description: "The agent that it limits; null: it is a customer's." }),
  customerId: Id.nullable()
    .optional()
    .meta({ description: "The customer whose agents it limits together; null: it is an agent's." }),
  window: BudgetWindow,
  warnAtPercent: warnAtPercent.meta({
    description: "Share of the limit at which the status becomes `warning`.",
  }),
  enforced: enforced.optional(),
  resetsAt: Timestamp.nullable(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});

/** A limit on the use of one meter, by one agent or by a customer's agents together, and how much of it is used. */
export type Budget = z.infer<typeof Budget>;

/**
 * The body of `budgets.create`, with either `agentId` or `customerId`. One budget per agent or customer, meter and window;
 * `warnAtPercent` is 80 by default.
 */
export const CreateBudget = z
  .strictObject({
    agentId: Id.optional().meta({ description: "The agent to limit." }),
    customerId: Id.optional().meta({ description: "The customer whose agents are limited together." }),
    meterName: MeterName,
    limit,
    window: BudgetWindow.optional().meta({ description: "`period` by default." }),
    warnAtPercent: warnAtPercent.optional(),
    enforced: enforced.optional(),
  })
  .refine(({ agentId, customerId }) => (agentId === undefined) !== (customerId === undefined), {
    path: ["agentId"],
    message: "a budget is an agent's or a customer's: send either agentId or customerId",
  });

/** The body of `budgets.update`; a property left out stays as it is. */
export const UpdateBudget = z.strictObject({
  limit: limit.optional(),
  warnAtPercent: warnAtPercent.optional(),
  enforced: enforced.optional(),
});

/** Query parameters of the list of budgets. */
export const ListBudgetsQuery = PageQuery.extend({
  agentId: Id.optional().meta({ description: "Only this agent's own." }),
  customerId: Id.optional().meta({ description: "Only those that this customer's agents use together." }),
  meterName: MeterName.optional(),
});

import * as z from "zod";
import { PageQuery } from "./envelope.ts";
import { Currency, Decimal, Id, MeterName, Money, QuantityTotal, Timestamp } from "./primitives.ts";

/**
 * The window of a budget, which starts again each day at midnight in the account's time zone, each billing
 * period, or never.
 */
export const BudgetWindow = z.enum(["day", "period", "total"]);

/** The status of a budget, by how far it is used up. */
export const BudgetStatus = z.enum(["ok", "warning", "exceeded"]);

/** The exact amounts of a budget in money, as decimal texts that are not rounded. */
export const BudgetAmounts = z.object({
  currency: Currency.meta({ description: "The currency that the running period is billed in." }),
  limit: Money,
  used: Money.meta({
    description: "What is recorded and held costs by the price list, as if it was billed alone.",
  }),
  remaining: Money,
});

/** The exact amounts of a budget in money. */
export type BudgetAmounts = z.infer<typeof BudgetAmounts>;

/**
 * The state of the budget that applies to a call, as verify answers it. `shared` is there only on a budget of the
 * customer whom the agent belongs to, and `amounts` only on one in money.
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
  amounts: BudgetAmounts.optional().meta({
    description:
      "There on a budget in money: `limit`, `used` and `remaining` are then whole numbers of the currency's minor unit, what is used rounded up and what is left down.",
  }),
});

/** The state of the budget that applies to a call. */
export type BudgetState = z.infer<typeof BudgetState>;

const limit = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const amount = Decimal.meta({
  description:
    "The most that may be spent, a decimal text in the account's currency, for example `50.00`. Usage is priced by the price list, exactly; a call counts with what it adds.",
});
const warnAtPercent = z.int().min(1).max(100);
const enforced = z.boolean().meta({
  description:
    "Whether it holds whatever the caller says: a verify or a reserve that does not fit answers 402 and records nothing, also without `enforceBudget`. False by default. Usage that is recorded with a management key has happened: it is recorded, and flagged as `overBudget`.",
});

/** A limit on what one agent, or a customer's agents together, may use or spend, and how much of it is used. */
export const Budget = BudgetState.extend({
  id: Id,
  meterName: MeterName.nullable().meta({ description: "null: a budget in money for all meters." }),
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

/** A limit on what one agent, or a customer's agents together, may use or spend, and how much of it is used. */
export type Budget = z.infer<typeof Budget>;

/**
 * The body of `budgets.create`, with either `agentId` or `customerId`, and with either `limit` or `amount`. One budget of
 * each kind per agent or customer, meter and window; `warnAtPercent` is 80 by default.
 */
export const CreateBudget = z
  .strictObject({
    agentId: Id.optional().meta({ description: "The agent to limit." }),
    customerId: Id.optional().meta({ description: "The customer whose agents are limited together." }),
    meterName: MeterName.optional().meta({
      description: "Needed with `limit`; with `amount` it is what all meters cost together by default.",
    }),
    limit: limit.optional().meta({ description: "Units of the meter." }),
    amount: amount.optional(),
    window: BudgetWindow.optional().meta({ description: "`period` by default." }),
    warnAtPercent: warnAtPercent.optional(),
    enforced: enforced.optional(),
  })
  .refine(({ agentId, customerId }) => (agentId === undefined) !== (customerId === undefined), {
    path: ["agentId"],
    message: "a budget is an agent's or a customer's: send either agentId or customerId",
  })
  .refine(({ limit, amount }) => (limit === undefined) !== (amount === undefined), {
    path: ["limit"],
    message: "a budget is in units or in money: send either limit or amount",
  })
  .refine(({ meterName, amount }) => meterName !== undefined || amount !== undefined, {
    path: ["meterName"],
    message: "a limit is in units of a meter: send its name",
  });

/** The body of `budgets.update`; a property left out stays as it is. A budget stays in units, or in money. */
export const UpdateBudget = z.strictObject({
  limit: limit.optional(),
  amount: amount.optional(),
  warnAtPercent: warnAtPercent.optional(),
  enforced: enforced.optional(),
});

/** Query parameters of the list of budgets. */
export const ListBudgetsQuery = PageQuery.extend({
  agentId: Id.optional().meta({ description: "Only this agent's own." }),
  customerId: Id.optional().meta({ description: "Only those that this customer's agents use together." }),
  meterName: MeterName.optional(),
});

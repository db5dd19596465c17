import * as z from "zod";
import { Budget, BudgetState } from "./budgets.ts";
import { PageQuery } from "./envelope.ts";
import { MAX_RESERVATION_LIFETIME, MAX_SCOPES } from "./limits.ts";
import { Meter } from "./meters.ts";
import { Allowance } from "./prices.ts";
import {
  Currency,
  DisplayName,
  Id,
  MeterName,
  Quantity,
  QuantityTotal,
  Scope,
  Timestamp,
} from "./primitives.ts";

const requiredScopes = z.array(Scope).max(MAX_SCOPES).optional().meta({
  description: "Scopes that the credential must have; a missing one answers 403 and records nothing.",
});

/**
 * The body of `mcp.verify`. Both documented properties are optional: with no `meterName` the credential is
 * verified and nothing is recorded; `quantity` is 1 by default and needs a `meterName`.
 */
export const VerifyRequest = z
  .strictObject({
    meterName: MeterName.optional(),
    quantity: Quantity.optional(),
    enforceBudget: z.boolean().optional().meta({
      description:
        "Check the budget and record in one atomic step; over it, 402 and nothing recorded. A budget that is marked as enforced is checked in any case.",
    }),
    requiredScopes,
  })
  .refine((request) => request.meterName !== undefined || request.quantity === undefined, {
    path: ["meterName"],
    message: "quantity needs a meterName: name the meter to record it on, or leave quantity out",
  });

/** The event that a verify or a commit recorded. */
export const RecordedEvent = z.object({
  id: Id,
  meterName: MeterName,
  quantity: Quantity,
  duplicate: z
    .boolean()
    .meta({ description: "True when this idempotency key had recorded the event before." }),
  age: z.int().min(0).optional().meta({
    description:
      "Of a duplicate: milliseconds since it was recorded. Tells a request that was sent again from a key that is used again.",
  }),
});

/** The event that a verify or a commit recorded. */
export type RecordedEvent = z.infer<typeof RecordedEvent>;

/**
 * The response of `mcp.verify`. `expiresAt`, `event` and `budget` are ours: the hosted service leaves them
 * out.
 */
export const Verification = z.object({
  accountId: Id,
  agentId: Id,
  scopes: z.array(Scope),
  expiresAt: Timestamp.optional(),
  event: RecordedEvent.optional(),
  budget: BudgetState.optional(),
});

/** The response of `mcp.verify`. */
export type Verification = z.infer<typeof Verification>;

/** The body of `mcp.reserve`: `quantity` is the most that the call may cost. */
export const ReserveRequest = z.strictObject({
  meterName: MeterName,
  quantity: Quantity.optional(),
  enforceBudget: z.boolean().optional(),
  requiredScopes,
  expiresIn: z
    .int()
    .min(1)
    .max(MAX_RESERVATION_LIFETIME)
    .optional()
    .meta({ description: "Seconds after which an abandoned hold lapses, 1 to 86400; 300 by default." }),
});

/** Usage that is held for a call in progress. */
export const Reservation = z.object({
  id: Id,
  meterName: MeterName,
  quantity: Quantity.meta({ description: "The most that can be committed." }),
  status: z.enum(["held", "committed", "released", "lapsed"]),
  committedQuantity: QuantityTotal.nullable(),
  expiresAt: Timestamp,
});

/** Usage that is held for a call in progress. */
export type Reservation = z.infer<typeof Reservation>;

/** The response of `mcp.reserve`. */
export const ReservationGrant = Verification.omit({ event: true }).extend({ reservation: Reservation });

/**
 * The body of `mcp.commit`: `quantity` is what was really used, up to the quantity reserved (all of it by
 * default). Only the agent that reserved can commit: with any of its valid credentials, or with the one that
 * reserved, even after that has expired. A reservation that has lapsed is recorded all the same, over the
 * budget if need be, since the work was done. Only a budget that is marked as enforced refuses it. Committing
 * again with the same quantity returns the same event; with another, or after a release, it is a conflict.
 */
export const CommitRequest = z.strictObject({ quantity: Quantity.optional() });

/** The response of `mcp.commit` and `mcp.release`. */
export const ReservationOutcome = z.object({ reservation: Reservation, event: RecordedEvent.optional() });

/** A limit on an agent's use, as the agent itself is told of it. */
export const AgentBudget = Budget.pick({
  meterName: true,
  window: true,
  limit: true,
  used: true,
  remaining: true,
  status: true,
  enforced: true,
  shared: true,
  amounts: true,
  resetsAt: true,
});

/** A limit on an agent's use, as the agent itself is told of it. */
export type AgentBudget = z.infer<typeof AgentBudget>;

/** A price's free units, and how many of them are left to an agent now. */
export const AgentAllowance = z.object({
  meterName: MeterName,
  ...Allowance.shape,
  used: QuantityTotal.meta({ description: "Units that have used it up so far, at most `quantity`." }),
  remaining: QuantityTotal,
  resetsAt: Timestamp.meta({ description: "When it starts again: the end of the day or of the period." }),
  shared: z.literal(true).optional().meta({
    description: "There only where the agent shares it with the other agents of its customer.",
  }),
});

/** A price's free units, and how many of them are left to an agent now. */
export type AgentAllowance = z.infer<typeof AgentAllowance>;

/** The response of `mcp.me`: who the agent is, until when its credential is valid, and what it may use. */
export const AgentSelf = z.object({
  agentId: Id,
  name: DisplayName,
  scopes: z.array(Scope),
  expiresAt: Timestamp.meta({ description: "When the credential that was sent ends." }),
  budgets: z.array(AgentBudget).meta({
    description:
      "The agent's own and those that it shares with the other agents of its customer, by meter and window; the 1,000 newest where there are more.",
  }),
  allowances: z.array(AgentAllowance).optional().meta({
    description:
      "Free units of the prices that the running period is billed by, by meter, where a price has them.",
  }),
});

/** The response of `mcp.me`. */
export type AgentSelf = z.infer<typeof AgentSelf>;

/** Query parameters of `mcp.listPrices`. */
export const ListAgentPricesQuery = PageQuery.extend({ meterName: MeterName.optional() });

/** The price of one meter, as an agent is told of it. */
export const AgentPrice = Meter.pick({
  id: true,
  displayName: true,
  unit: true,
  price: true,
  nextPrice: true,
  maxQuantityPerCall: true,
}).extend({
  id: Id.meta({ description: "The meter's id." }),
  meterName: MeterName,
  currency: Currency,
});

/** The price of one meter, as an agent is told of it. */
export type AgentPrice = z.infer<typeof AgentPrice>;

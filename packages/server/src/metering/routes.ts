import { routes } from "@licentric/contract";
import { onChange, onRoute, type RouteRegistration } from "../http/on-route.ts";
import { describeAgent, listAgentPrices } from "./agent-self.ts";
import { createBudget, deleteBudget, getBudget, listBudgets, updateBudget } from "./budgets.ts";
import { listMeterPrices, setMeterPrice } from "./meter-prices.ts";
import { createMeter, getMeter, listMeters, updateMeter } from "./meters.ts";
import { recordBatch } from "./record-batch.ts";
import { commit, release, repeatGrant, reserve } from "./reservations.ts";
import { listUsageEvents } from "./usage-events.ts";
import { usageTimeseries } from "./usage-timeseries.ts";
import { sumUsage } from "./usage-totals.ts";
import { verify } from "./verify.ts";

/** Verification, meters and usage. */
export const meteringRoutes: RouteRegistration[] = [
  onRoute(routes.mcp.verify, ({ caller, body, idempotencyKey, now }, services) =>
    verify(caller, body, idempotencyKey, now, services),
  ),
  onChange(
    routes.mcp.reserve,
    ({ caller, body, now }, tx, { newId, newReservationId }) =>
      reserve(tx, caller, body, { newId, newReservationId, now }),
    async (grant, { caller, body, now, idempotencyKey }, { db }) =>
      idempotencyKey === null ? grant : repeatGrant(db, caller, grant, body, now),
  ),
  onChange(routes.mcp.commit, ({ caller, params, body, now }, tx, { newId }) =>
    commit(tx, caller, params.reservationId, body, { newId, now }),
  ),
  onChange(routes.mcp.release, ({ caller, params, now }, tx) =>
    release(tx, caller, params.reservationId, now),
  ),
  onRoute(routes.mcp.me, ({ caller, now }, { db }) => describeAgent(db, caller, now)),
  onRoute(routes.mcp.listPrices, ({ caller, query, now }, { db }) => listAgentPrices(db, caller, query, now)),
  onRoute(routes.usage.recordBatch, recordBatch),
  onRoute(routes.usage.listEvents, ({ caller, query }, { db }) =>
    listUsageEvents(db, caller.environmentId, query),
  ),
  onRoute(routes.usage.totals, ({ caller, query, now }, { db, newId }) =>
    sumUsage(db, caller.environmentId, query, { newId, now }),
  ),
  onRoute(routes.usage.timeseries, ({ caller, query, now }, { db }) =>
    usageTimeseries(db, caller, query, now),
  ),
  onChange(routes.budgets.create, ({ caller, body, now }, tx, { newId }) =>
    createBudget(tx, caller.environmentId, body, { newId, now }),
  ),
  onRoute(routes.budgets.list, ({ caller, query, now }, { db }) =>
    listBudgets(db, caller.environmentId, query, now),
  ),
  onRoute(routes.budgets.get, ({ caller, params, now }, { db }) =>
    getBudget(db, caller.environmentId, params.budgetId, now),
  ),
  onChange(routes.budgets.update, ({ caller, params, body, now }, tx) =>
    updateBudget(tx, caller.environmentId, params.budgetId, body, now),
  ),
  onChange(routes.budgets.delete, ({ caller, params, now }, tx) =>
    deleteBudget(tx, caller.environmentId, params.budgetId, now),
  ),
  onChange(routes.meters.create, ({ caller, body, now }, tx, { newId }) =>
    createMeter(tx, caller.environmentId, body, { newId, now }),
  ),
  onRoute(routes.meters.list, ({ caller, query, now }, { db }) =>
    listMeters(db, caller.environmentId, query, now),
  ),
  onRoute(routes.meters.get, ({ caller, params, now }, { db }) =>
    getMeter(db, caller.environmentId, params.meterId, now),
  ),
  onChange(routes.meters.update, ({ caller, params, body, now }, tx) =>
    updateMeter(tx, caller.environmentId, params.meterId, body, now),
  ),
  onChange(routes.meters.setPrice, ({ caller, params, body, now }, tx, { newId }) =>
    setMeterPrice(tx, caller.environmentId, params.meterId, body, { newId, now }),
  ),
  onRoute(routes.meters.listPrices, ({ caller, params, query }, { db }) =>
    listMeterPrices(db, caller.environmentId, params.meterId, query),
  ),
];

import { routes } from "@licentric/contract";
import { onChange, onRoute, type RouteRegistration } from "../http/on-route.ts";
import { pageRequest } from "../http/page.ts";
import { createMeter, getMeter, listMeterPrices, listMeters, setMeterPrice, updateMeter } from "./meters.ts";
import { verify } from "./verify.ts";

/** Verification, meters and usage. */
export const meteringRoutes: RouteRegistration[] = [
  onRoute(routes.mcp.verify, ({ caller, body, idempotencyKey }, services) =>
    verify(caller, body, idempotencyKey, services),
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
  onRoute(routes.meters.listPrices, ({ caller, params, query, now }, { db }) =>
    listMeterPrices(db, caller.environmentId, params.meterId, pageRequest(query), now),
  ),
];

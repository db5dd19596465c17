import { routes } from "@licentric/contract";
import { readStripeOwner } from "../billing/read-stripe-owner.ts";
import { sendPayerChange } from "../billing/send-payer-change.ts";
import { onChange, onPreparedChange, onRoute, type RouteRegistration } from "../http/on-route.ts";
import { pageRequest } from "../http/page.ts";
import { getAccount, updateAccount } from "./account.ts";
import { requireGivable } from "./caller.ts";
import { createKey, listKeys, revokeKey } from "./keys.ts";

/** The account itself, and management keys. */
export const accountRoutes: RouteRegistration[] = [
  onRoute(routes.account.get, ({ caller }, { db }) => getAccount(db, caller.environmentId)),
  onPreparedChange(
    routes.account.update,
    ({ caller, body }, services) => readStripeOwner(services, caller, body.stripeCustomerId),
    ({ caller, body, now }, tx, _, owner) => updateAccount(tx, caller, body, { now, owner }),
    async (_, { caller }, services) => {
      await sendPayerChange(services, caller, null);
      return getAccount(services.db, caller.environmentId);
    },
  ),
  onChange(routes.keys.create, async ({ caller, body, now }, tx, { newId, randomBytes }) => {
    requireGivable(caller, body.scopes);
    const { environmentId, mode } = caller;
    return createKey(
      tx,
      { environmentId, mode, name: body.name, scopes: body.scopes },
      { newId, now, randomBytes },
    );
  }),
  onRoute(routes.keys.list, ({ caller, query }, { db }) =>
    listKeys(db, caller.environmentId, pageRequest(query)),
  ),
  onChange(routes.keys.revoke, ({ caller, params, now }, tx) =>
    revokeKey(tx, caller.environmentId, params.keyId, now),
  ),
];

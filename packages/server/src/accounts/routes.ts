import { routes } from "@licentric/contract";
import { readStripeOwner } from "../billing/read-stripe-owner.ts";
import { sendPayerChange } from "../billing/send-payer-change.ts";
import { ApiError } from "../http/api-error.ts";
import { onChange, onPreparedChange, onRoute, type RouteRegistration } from "../http/on-route.ts";
import { pageRequest } from "../http/page.ts";
import { getAccount, updateAccount } from "./account.ts";
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
    const lacking = caller.scopes === null ? undefined : lackingScope(caller.scopes, body.scopes);
    if (lacking !== undefined) {
      throw new ApiError("FORBIDDEN", `A key cannot give what it lacks itself: ${lacking}.`, {
        scope: lacking,
      });
    }
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

function lackingScope(own: readonly string[], wanted: readonly string[] | undefined): string | undefined {
  if (wanted === undefined) return "full access";
  const scope = wanted.find((one) => !own.includes(one));
  return scope === undefined ? undefined : `the scope "${scope}"`;
}

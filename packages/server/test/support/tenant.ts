import { randomBytes } from "node:crypto";
import { KEY_SCOPES, type KeyScope, type Mode, type Route } from "@licentric/contract";
import { getEnvironmentId } from "../../src/accounts/accounts.ts";
import type { Answer, TestAccount, TestApi } from "./api.ts";
import { type NamedRoute, pathParameters, routeTable } from "./route-table.ts";
import { type Json, type Samples, sampleBody } from "./sample-request.ts";

/** One account in one mode with at least one resource of every kind that the API has. */
export interface Tenant {
  readonly account: TestAccount;
  readonly mode: Mode;
  readonly environmentId: string;
  /** A management key with full access. */
  readonly key: string;
  /** A valid token of the agent. */
  readonly token: string;
  readonly revokedKey: string;
  readonly revokedToken: string;
  /** A valid token of another agent of the same environment. */
  readonly otherToken: string;
  /** A text that is in everything the tenant has named. */
  readonly canary: string;
  /** Its resources by the name of the parameter that takes them: `agentId`, `periodId`, …. */
  readonly ids: Readonly<Record<string, string>>;
  readonly samples: Samples;
}

/** Fills an environment with one resource of every kind whose route is registered. */
export async function createTenant(
  api: TestApi,
  account: TestAccount,
  mode: Mode,
  registered: ReadonlySet<string>,
): Promise<Tenant> {
  const key = mode === "test" ? account.key : account.liveKey;
  const canary = `canary-${randomBytes(6).toString("hex")}`;
  const ids: Record<string, string> = {};
  const samples: Record<string, Json> = {
    name: canary,
    displayName: canary,
    description: canary,
    memo: canary,
    reference: canary,
    paymentInstructions: canary,
    email: `${canary}@example.com`,
    metadata: { note: canary },
    url: `https://${canary}.example.com/hook`,
    price: { model: "per_unit", unitPrice: "1" },
    amount: "0.01",
    minimum: "1",
  };
  const make = async (name: string, changes: { token?: string; body?: Json } = {}) => {
    if (!registered.has(name)) return undefined;
    const route = find(name);
    const { status, body } = await api.call(route.method, pathFor(route, ids), {
      token: changes.token ?? key,
      body: changes.body ?? sampleBody(route, samples),
    });
    if (status !== route.status) throw new Error(`${name} answered ${status}: ${JSON.stringify(body)}`);
    return body.data;
  };
  const keep = (member: string, id: string | undefined) => {
    if (id === undefined) return;
    ids[member] = id;
    samples[member] = id;
  };

  keep("customerId", (await make("customers.create"))?.id);
  const meterName = `m-${canary}`;
  const meter = { name: meterName, displayName: canary, price: { model: "per_unit", unitPrice: "1" } };
  keep("meterId", (await make("meters.create", { body: meter }))?.id);
  samples["meterName"] = meterName;

  const authorize = async (agentId: string) => {
    const body = { agentId, scopes: ["mcp:invoke"], expiresIn: 86_400, name: canary };
    return make("mcp.authorize", { body });
  };
  // Usage is invoiced to the agent's customer, so what the account itself pays comes from the other agent.
  const other = await make("agents.create", { body: { name: canary } });
  const otherToken: string = (await authorize(other.id)).token;
  keep("agentId", (await make("agents.create"))?.id);
  const agentId = ids["agentId"] ?? "";
  const revoked = await authorize(agentId);
  keep("credentialId", revoked.credentialId);
  await make("credentials.revoke");
  const { token, credentialId } = await authorize(agentId);
  keep("credentialId", credentialId);
  samples["scopes"] = ["mcp:invoke"];
  samples["events"] = [
    { agentId, meterName, quantity: 3, idempotencyKey: canary, metadata: { note: canary } },
  ];

  const recorded = await make("usage.recordBatch");
  keep("eventId", recorded?.results[0].event.id);
  await make("usage.recordBatch", { body: { events: [{ agentId: other.id, meterName, quantity: 5 }] } });
  keep("periodId", (await make("billing.getCurrentPeriod"))?.id);
  await make("billing.closePeriod");
  keep("invoiceId", (await make("billing.createInvoice", { body: {} }))?.id);
  keep("creditNoteId", (await make("billing.createCreditNote"))?.id);
  keep("openPeriodId", (await make("billing.getCurrentPeriod"))?.id);
  const adjustment = { agentId, meterName, quantity: 1, reason: canary };
  keep("adjustmentId", (await make("billing.createAdjustment", { body: adjustment }))?.id);
  // Of the open period: the invoices are those of the usage alone.
  const discount = { discount: { model: "percent", percent: "10" }, reason: canary };
  keep("discountId", (await make("customers.setDiscount", { body: discount }))?.id);
  keep("minimumId", (await make("customers.setMinimum", { body: { minimum: "1" } }))?.id);
  keep("budgetId", (await make("budgets.create", { body: { agentId, meterName, limit: 1_000 } }))?.id);
  keep("reservationId", (await make("mcp.reserve", { token, body: { meterName } }))?.reservation.id);
  const hook = { url: samples["url"] ?? "", events: ["budget.exceeded"], metadata: { note: canary } };
  keep("webhookId", (await make("webhooks.create", { body: hook }))?.id);
  const spare = await make("keys.create", { body: { name: canary } });
  keep("keyId", spare.id);
  await make("keys.revoke");
  keep("keyId", (await make("keys.create", { body: { name: canary } }))?.id);

  return {
    account,
    mode,
    environmentId: await getEnvironmentId(api.db, account.id, mode),
    key,
    token,
    revokedKey: spare.key,
    revokedToken: revoked.token,
    otherToken,
    canary,
    ids,
    samples,
  };
}

/** The routes that a budget of one per agent, meter and window would refuse for the same body twice. */
const FRESH_SAMPLES: Readonly<Record<string, (tenant: Tenant) => Samples>> = {
  // The period among the samples is closed, and a credit note's reason is one of Stripe's words.
  "billing.createAdjustment": ({ samples: { periodId: _, ...rest }, canary }) => ({
    ...rest,
    reason: canary,
  }),
  "customers.setDiscount": ({ samples, canary }) => ({
    ...samples,
    discount: { model: "percent", percent: "10" },
    reason: canary,
  }),
  "usage.refundEvent": ({ samples, canary }) => ({ ...samples, reason: canary }),
  "budgets.create": ({ samples: { customerId: _, ...rest } }) => ({ ...rest, window: "day" }),
  // The budget is in units.
  "budgets.update": ({ samples: { amount: _, ...rest } }) => rest,
  "meters.create": ({ samples }) => ({ ...samples, name: `n${randomBytes(6).toString("hex")}` }),
  "keys.create": ({ samples: { scopes: _, ...rest } }) => rest,
  "webhooks.create": ({ samples: { events: _, ...rest } }) => rest,
  "webhooks.update": ({ samples: { events: _, ...rest } }) => rest,
};

/** The values that the tenant itself would send to the route. */
export function samplesFor(name: string, tenant: Tenant): Samples {
  return FRESH_SAMPLES[name]?.(tenant) ?? tenant.samples;
}

/** The body with which the tenant itself would call the route. */
export function bodyOf({ name, route }: NamedRoute, tenant: Tenant): Json | undefined {
  return sampleBody(route, samplesFor(name, tenant));
}

/** The route's path with the tenant's resources in it. */
export function pathOf({ name, route }: NamedRoute, { ids }: Tenant): string {
  const openPeriod = name === "billing.closePeriod" ? { periodId: ids["openPeriodId"] ?? "" } : {};
  return pathFor(route, { ...ids, ...openPeriod });
}

/** The route's path with these ids in it. */
export function pathFor(route: Route, ids: Readonly<Record<string, string>>): string {
  return pathParameters(route).reduce((path, name) => {
    const id = ids[name];
    if (id === undefined) throw new Error(`There is no resource for :${name} in ${route.path}. Make one.`);
    return path.replace(`:${name}`, encodeURIComponent(id));
  }, route.path as string);
}

/** Calls the route as the tenant itself would. */
export function callAs(api: TestApi, row: NamedRoute, tenant: Tenant): Promise<Answer> {
  return api.call(row.route.method, pathOf(row, tenant), {
    token: row.route.auth === "key" ? tenant.key : tenant.token,
    body: bodyOf(row, tenant),
  });
}

/** Every scope but the route's own. */
export function scopesWithout(route: Route): KeyScope[] {
  return KEY_SCOPES.filter((scope) => scope !== route.scope);
}

/** Every row of the environments in every table, as text; times of use alone are left out. */
export async function rowsOf(api: TestApi, tenants: readonly Tenant[]): Promise<string> {
  const tables = await api.db.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.columns
     WHERE table_schema = 'public' AND column_name = 'environment_id'`,
  );
  const sources = [
    { name: "accounts", column: "id", ids: "$1" },
    { name: "environments", column: "id", ids: "$2" },
    ...tables.map(({ name }) => ({ name, column: "environment_id", ids: "$2" })),
  ];
  const rows = await api.db.query<{ row: string }>(
    `${sources
      .map(
        ({ name, column, ids }) =>
          `SELECT '${name} ' || (to_jsonb(t) - 'last_used_at')::text AS row FROM ${name} t WHERE ${column} = ANY (${ids}::uuid[])`,
      )
      .join(" UNION ALL ")} ORDER BY row`,
    [tenants.map(({ account }) => account.id), tenants.map(({ environmentId }) => environmentId)],
  );
  return rows.map(({ row }) => row).join("\n");
}

function find(name: string): Route {
  const row = routeTable.find((one) => one.name === name);
  if (row === undefined) throw new Error(`The route table has no ${name}.`);
  return row.route;
}

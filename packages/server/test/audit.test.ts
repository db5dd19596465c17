import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createAccount, createKey, getEnvironmentId } from "../src/index.ts";
import { closeCurrentPeriod, createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { deliverStripeEvent, STRIPE_WEBHOOK_SECRET, stripeEvent } from "./support/stripe-events.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";
import { startWebhookReceiver, type WebhookReceiver } from "./support/webhook-receiver.ts";

// That every call with a key which changes something leaves an entry is tested with the route table, in tenancy.test.ts.
describeOnEachDatabase("the audit log on $name holds what no key changed:", (database) => {
  let stripe: StripeStandIn;
  let receiver: WebhookReceiver;
  let api: TestApi;
  beforeAll(async () => {
    stripe = await startStripeStandIn();
    receiver = await startWebhookReceiver();
    api = await startTestApi(database, {
      backgroundInterval: 20,
      logLevel: "silent",
      autoClose: { after: 3_600, maxClockSkew: Number.POSITIVE_INFINITY },
      allowPrivateWebhooks: true,
      stripe: { apiKey: "sk_test_standin", baseUrl: stripe.url, webhookSecret: STRIPE_WEBHOOK_SECRET },
    });
  });
  afterAll(async () => {
    await api.close();
    await receiver.close();
    await stripe.close();
  });

  const entries = async (key: string, actor: string) => {
    const log = await api.call("GET", `/api/v1/audit-events?limit=100&actor=${actor}`, { token: key });
    expect(log.status).toBe(200);
    return log.body.data;
  };

  it("what was made in the database itself, by the command line or another program", async () => {
    const making = { newId: () => uuidv7(), now: new Date(), randomBytes };
    const account = await createAccount(api.db, { name: "Acme" }, { ...making, actor: "cli" });
    for (const mode of ["test", "live"] as const) {
      const environmentId = await getEnvironmentId(api.db, account.id, mode);
      const first = await createKey(api.db, { environmentId, mode }, { ...making, actor: "cli" });
      const second = await createKey(api.db, { environmentId, mode }, making);
      const common = { keyId: null, requestId: null };
      expect(await entries(first.key, "cli")).toMatchObject([
        { ...common, actor: "cli", operation: "keys.create", resourceIds: [first.id] },
        { ...common, actor: "cli", operation: "accounts.create", resourceIds: [account.id] },
      ]);
      expect(await entries(first.key, "program")).toMatchObject([
        { ...common, actor: "program", operation: "keys.create", resourceIds: [second.id] },
      ]);
    }
  });

  it("a period that was closed by schedule, once", async () => {
    api.setTime("2026-03-31T23:00:00.000Z");
    const { key } = await api.createAccount();
    const current = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
    const { id } = current.body.data;
    api.setTime("2026-04-01T01:00:01.000Z");
    await expect
      .poll(() => entries(key, "system"), { timeout: 20_000 })
      .toMatchObject([{ actor: "system", keyId: null, operation: "billing.closePeriod", resourceIds: [id] }]);
    api.setTime(null);
  });

  it("a webhook that was disabled because it fails", async () => {
    const { key } = await api.createAccount();
    receiver.state.status = 410;
    const hook = await api.call("POST", "/api/v1/webhooks", {
      token: key,
      body: { url: receiver.url, events: ["period.closed"] },
    });
    await closeCurrentPeriod(api, key);
    await closeCurrentPeriod(api, key);
    await expect
      .poll(() => entries(key, "system"), { timeout: 20_000 })
      .toMatchObject([{ operation: "webhooks.disable", resourceIds: [hook.body.data.id] }]);
  });

  it("what Stripe says of an invoice and of a credit note, each once", async () => {
    const { key } = await api.createAccount();
    const { token } = await createAuthorizedAgent(api, key);
    const meters = await api.call("GET", "/api/v1/meters?name=api_calls", { token: key });
    const price = { model: "per_unit", unitPrice: "1" };
    await api.call("POST", `/api/v1/meters/${meters.body.data[0].id}/prices`, {
      token: key,
      body: { price },
    });
    await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls", quantity: 9 } });
    const periodId = await closeCurrentPeriod(api, key);
    const made = await api.call("POST", `/api/v1/billing/periods/${periodId}/invoice`, { token: key });
    const { id, stripeInvoiceId } = made.body.data;
    const path = `/api/v1/billing/invoices/${id}`;
    const note = await api.call("POST", `${path}/credit-notes`, { token: key, body: { amount: "2" } });
    const paid = stripeEvent("invoice.paid", stripeInvoiceId);
    const told = await deliverStripeEvent(api, paid);
    for (const news of [paid, stripeEvent("invoice.payment_failed", stripeInvoiceId)]) {
      expect((await deliverStripeEvent(api, news)).status).toBe(200);
    }
    // Refused, for it is paid: a change that did not happen has no entry.
    expect((await api.call("POST", `${path}/void`, { token: key })).status).toBe(409);
    expect(await entries(key, "stripe")).toMatchObject([
      { operation: "invoice.paid", resourceIds: [id], requestId: told.headers["x-request-id"] },
      { operation: "credit_note.issued", resourceIds: [note.body.data.id] },
      { operation: "invoice.open", resourceIds: [id] },
      { operation: "customer.connected", keyId: null },
    ]);
    expect((await entries(key, "key"))[0]).toMatchObject({ operation: "billing.createCreditNote" });
  });
});

/**
 * Every place that writes, and which entry says so. Whoever adds one decides here whether it is a change that
 * somebody made, and tests its entry above.
 */
const WRITES: Readonly<Record<string, string>> = {
  // Their own record, or what follows from usage and time by itself.
  "metering/record-events.ts: metered_events, usage_event_keys, usage_totals": "usage",
  "metering/reservations.ts: reservations": "usage",
  "metering/budget-alerts.ts: budgets, customer_budgets, money_budgets": "which thresholds were told",
  "billing/open-period.ts: periods": "a month begins",
  "accounts/last-used.ts: ${table}": "times of use",
  "http/rate-limits.ts: rate_limits": "counts of requests",
  // How the server remembers what it has done.
  "http/idempotency.ts: idempotency_keys": "memory",
  "billing/make-in-stripe.ts: stripe_steps": "memory",
  "billing/send-to-stripe.ts: invoices, stripe_steps": "steps of billing.createInvoice",
  "billing/take-stripe-event.ts: stripe_events": "memory",
  "billing/read-stripe-events.ts: stripe_events_read": "memory",
  "webhooks/outbox.ts: webhook_deliveries": "memory",
  "maintenance.ts: console_codes, rate_limits, stripe_events, webhook_deliveries": "memory",
  "store/event-partitions.ts: metered_events, metered_events_other, usage_event_keys, usage_events":
    "events move to their partition",
  "archive/archive-month.ts: archived_months": "usage.archiveEvents",
  "archive/remove-month.ts: archived_totals, metered_events": "usage.archiveEvents",
  "retention.ts: ${table}": "what is no longer kept, by the owner's setting",
  "store/migrate.ts: schema_version": "memory",
  "store/write-durably.ts: schema_version": "nothing is changed",
  "audit/audit-events.ts: audit_events": "the log itself",
  // Entries of calls, written in one place (http/on-route.ts), or beside the change where no key made it.
  "accounts/account.ts: environments, periods": "account.update",
  "accounts/accounts.ts: accounts, environments, meters": "accounts.create",
  "accounts/keys.ts: management_keys": "keys.*",
  "agents/agents.ts: ${table}, agents, credentials": "agents.*",
  "agents/credentials.ts: credentials": "mcp.authorize, credentials.*",
  "billing/adjustments.ts: adjustments": "billing.createAdjustment, usage.refundEvent",
  "billing/carry-over.ts: carried_adjustments": "billing.closePeriod",
  "billing/credit-notes.ts: credit_notes": "billing.createCreditNote",
  "billing/follow-stripe.ts: invoices": "invoice.*",
  "billing/invoice-status.ts: invoices": "billing.voidInvoice, invoice.*",
  "billing/invoices.ts: invoices": "billing.createInvoice",
  "billing/issue-invoice.ts: invoice_numbers, invoices": "billing.issueInvoice",
  "billing/pay-invoice.ts: invoices": "billing.payInvoice",
  "billing/paying-customer.ts: ${table}": "customer.connected",
  "billing/periods.ts: periods": "billing.closePeriod",
  "billing/send-credit-note.ts: credit_notes": "credit_note.*",
  "billing/sync-payer.ts: ${table}": "customer.updated, customer.missing",
  "billing/terms-of-period.ts: period_terms": "billing.closePeriod",
  "console/codes.ts: console_codes": "console.createCode, keys.create",
  "customers/customer-terms.ts: customer_terms": "customers.setDiscount, customers.setMinimum",
  "customers/customers.ts: customers": "customers.*",
  "customers/erase-customer.ts: ${table}, adjustments, agents, credentials, customers, invoices, metered_events, period_terms":
    "customers.erase",
  "metering/budgets.ts: budgets, customer_budgets, money_budgets": "budgets.*",
  "metering/meter-prices.ts: customer_prices, meter_prices": "meters.setPrice",
  "metering/meters.ts: meters": "meters.*",
  "webhooks/delivery.ts: webhook_deliveries, webhooks": "webhooks.disable",
  "webhooks/rotate-secret.ts: webhooks": "webhooks.rotateSecret",
  "webhooks/webhooks.ts: webhooks": "webhooks.*",
};

it("every statement that writes is known to the audit log", () => {
  const source = fileURLToPath(new URL("../src", import.meta.url));
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !file.includes("migrations"),
  );
  const found = files.flatMap((file) => {
    const text = readFileSync(join(source, file), "utf8");
    const written = text.matchAll(
      /\b(?:INSERT INTO|DELETE FROM|(?<!FOR |KEY |DO )UPDATE) (\$\{table\}|[a-z_]+) ?(?=[\w(]|SET|$)/gm,
    );
    const tables = [...new Set([...written].map(([, table]) => table))].sort();
    return tables.length === 0 ? [] : [`${relative(source, join(source, file))}: ${tables.join(", ")}`];
  });
  expect(found.sort()).toEqual(Object.keys(WRITES).sort());
});

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Licentric } from "@licentric/sdk";
import {
  createAccount,
  createKey,
  getEnvironmentId,
  openDatabase,
  type RunningServer,
  startServer,
} from "@licentric/server";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runExample } from "../../../examples/testing/src/run-example.ts";
import { type StripeStandIn, startStripeStandIn } from "../../server/test/support/stripe-stand-in.ts";
import { killRunning, licentric } from "./support/licentric.ts";

let stripe: StripeStandIn;
let server: RunningServer;
let directory: string;
let env: Record<string, string>;
let client: Licentric;
let close: () => Promise<void>;
const STRIPE_KEY = "sk_test_standin";

beforeAll(async () => {
  stripe = await startStripeStandIn();
  directory = await mkdtemp(join(tmpdir(), "licentric-month-"));
  const db = await openDatabase({ dataDirectory: join(directory, "data") });
  const making = { newId: () => uuidv7(), now: new Date(), randomBytes };
  const { id } = await createAccount(db, { name: "Acme" }, making);
  const environmentId = await getEnvironmentId(db, id, "test");
  const { key } = await createKey(db, { environmentId, mode: "test" }, making);
  server = await startServer({
    db,
    port: 0,
    logLevel: "silent",
    stripe: { apiKey: STRIPE_KEY, baseUrl: stripe.url },
  });
  env = { LICENTRIC_API_KEY: key, LICENTRIC_BASE_URL: server.url };
  client = new Licentric({ apiKey: key, baseUrl: server.url });
  close = () => db.close();
}, 120_000);
afterAll(async () => {
  await client?.close();
  await server?.close();
  await close?.();
  await stripe?.close();
  await killRunning();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

const run = (...args: string[]) => licentric(args, env).ended();
const script = (...args: string[]) =>
  runExample({ main: new URL("../../../examples/month-end/src/main.ts", import.meta.url), env, args });
const doctor = async (more: Record<string, string> = {}) => {
  const { stdout } = await licentric(["doctor", "--json", "--data-dir", "/nonexistent/licentric"], {
    ...env,
    STRIPE_API_KEY: STRIPE_KEY,
    STRIPE_BASE_URL: stripe.url,
    ...more,
  }).ended();
  const { checks }: { checks: { name: string; status: string; message: string }[] } = JSON.parse(stdout);
  return checks.filter(({ name }) => name === "payers");
};

/** Usage of 3.00 of each customer, and of the account's own. */
async function useAll(): Promise<void> {
  const payers: (string | undefined)[] = [undefined];
  for await (const { id } of client.customers.list()) payers.push(id);
  for (const customerId of payers) {
    const agent = await client.agents.create({ name: "a", ...(customerId && { customerId }) });
    await client.usage.record({ agentId: agent.id, meterName: "api_calls", quantity: 300 });
  }
}

async function endedMonth(): Promise<string> {
  await useAll();
  const { id } = await client.billing.getCurrentPeriod();
  return id;
}

/** What is in Stripe: payer, status, total and how it is collected. */
function booked() {
  return stripe
    .all("invoice")
    .map(({ customer, status, total, collection_method }) => [
      String(stripe.objects.get(customer)?.["name"]),
      status,
      total,
      collection_method,
    ])
    .sort(([left], [right]) => String(left).localeCompare(String(right)));
}

async function payerOf(wanted: string): Promise<string> {
  for await (const { id, name } of client.customers.list()) if (name === wanted) return id;
  return expect.unreachable();
}

const SLOW = 120_000;

it(
  "is one month of three customers and the account, by command line, twice",
  async () => {
    await run("meters", "price", "api_calls", "--unit-price", "0.01");
    await run("customers", "create", "Alpha", "--email", "pay@alpha.example");
    const beta = JSON.parse((await run("customers", "create", "Beta", "--json")).stdout);
    const gamma = JSON.parse((await run("customers", "create", "Gamma", "--json")).stdout);
    const period = await endedMonth();
    expect(await doctor()).toMatchObject([
      { status: "warning", message: expect.stringMatching(/the account "Acme", "Gamma".*"Beta"/) },
    ]);
    expect((await run("close", period, "--yes")).code).toBe(0);
    expect((await run("close", period, "--yes")).code).toBe(0);

    const charged = [
      "invoice",
      "create",
      period,
      "--customer",
      beta.id,
      "--collection",
      "charge_automatically",
    ];
    const ofBeta = await run(...charged);
    expect(ofBeta).toMatchObject({ code: 0, stdout: expect.stringMatching(/open/) });
    expect(await run(...charged)).toEqual(ofBeta);
    const first = await run("invoice", "create", period);
    expect(first).toMatchObject({ code: 1 });
    expect(first.stdout).toMatch(/^Alpha +3\.00 USD +open +/m);
    expect(first.stdout).toMatch(/^Beta +3\.00 USD +open +/m);
    expect(first.stdout).toMatch(/^Not invoiced, Gamma: .*e-mail address.*licentric customers update/m);
    expect(first.stdout).toMatch(/^Not invoiced, Acme: .*licentric account update/m);
    expect((await run("invoice", "pending")).stdout).toMatch(/Gamma +3\.00 USD.*\n.*Acme +3\.00 USD/);

    await run("customers", "update", gamma.id, "--email", "pay@gamma.example");
    await run("account", "update", "--email", "books@acme.example");
    expect(await doctor()).toMatchObject([{ status: "warning", message: expect.stringContaining("Beta") }]);
    const second = await run("invoice", "create", period);
    expect(second).toMatchObject({ code: 0 });
    expect(second.stdout.match(/3\.00 USD +open/g)).toHaveLength(4);
    expect(await run("invoice", "create", period)).toEqual(second);
    expect(await run("invoice", "check", period)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("say the same, in 4 invoices."),
    });
    expect((await run("invoice", "pending")).stdout).toContain("Nothing");
    expect(booked()).toEqual([
      ["Acme", "open", 300, "send_invoice"],
      ["Alpha", "open", 300, "send_invoice"],
      ["Beta", "open", 300, "charge_automatically"],
      ["Gamma", "open", 300, "send_invoice"],
    ]);
  },
  SLOW,
);

it(
  "is another one by the script, twice",
  async () => {
    const period = await endedMonth();
    const beta = await payerOf("Beta");
    await client.billing.closePeriod(period);
    for (let times = 0; times < 2; times += 1) {
      await client.billing.createInvoice(period, { customerId: beta, collection: "charge_automatically" });
    }
    const done = await script(period);
    expect(done).toMatchObject({ code: 0, stderr: "" });
    expect(done.stdout.match(/3\.00 USD \(open\)/g)).toHaveLength(4);
    expect((await script(period)).stdout).toBe(done.stdout);
    const newest = booked().filter((_, index) => index % 2 === 1);
    expect(booked()).toHaveLength(8);
    expect(newest.map(([name, , , collection]) => [name, collection])).toEqual([
      ["Acme", "send_invoice"],
      ["Alpha", "send_invoice"],
      ["Beta", "charge_automatically"],
      ["Gamma", "send_invoice"],
    ]);
    expect(await run("invoice", "check", period)).toMatchObject({ code: 0 });
    await client.customers.update(beta, { email: "pay@beta.example" });
    expect(await doctor()).toMatchObject([{ status: "ok" }]);
  },
  SLOW,
);

it(
  "goes on after all test data was deleted in Stripe in the middle of the next one, by the script",
  async () => {
    const period = await endedMonth();
    stripe.addFault({ on: "POST /v1/invoices/:id/finalize", kind: "close-before", times: 3 });
    await client.billing.closePeriod(period);
    const broken = await client.billing.createInvoices(period);
    expect(broken.failed).toHaveLength(1);
    stripe.clearFaults();
    stripe.deleteAllTestData();
    expect(await doctor()).toMatchObject([
      {
        status: "warning",
        message: expect.stringMatching(/no such customer.*the account "Acme", "Gamma".*and 1 more/),
      },
    ]);

    const held = await script(period);
    expect(held.code).toBe(1);
    expect(held.stderr).toContain("null to have one made anew");
    for await (const { id } of client.customers.list()) {
      await run("customers", "update", id, "--stripe-customer", "none");
    }
    await run("account", "update", "--stripe-customer", "none");
    expect(await doctor()).toMatchObject([{ status: "ok" }]);
    for (const { invoice } of (await client.billing.createInvoices(period)).invoiced) {
      // What was finalized before is gone in Stripe, too: it is voided here, and billed again.
      if (invoice.stripeConfigured && stripe.objects.get(invoice.stripeInvoiceId ?? "") === undefined)
        await client.billing.voidInvoice(invoice.id);
    }
    const done = await script(period);
    expect(done).toMatchObject({ code: 0, stderr: "" });
    expect(done.stdout.match(/3\.00 USD \(open\)/g)).toHaveLength(4);
    expect((await script(period)).stdout).toBe(done.stdout);
    expect(stripe.all("invoice").map(({ status }) => status)).toEqual(["open", "open", "open", "open"]);
    expect(await run("invoice", "check", period)).toMatchObject({ code: 0 });
    expect(await doctor()).toMatchObject([{ status: "ok" }]);
  },
  SLOW,
);

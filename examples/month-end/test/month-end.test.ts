import { afterAll, beforeAll, expect, it } from "vitest";
import { type Api, startApi } from "../../../packages/mcp/test/api.ts";
import { runExample } from "../../testing/src/run-example.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.close());

function monthEnd(...args: string[]) {
  const env = { LICENTRIC_BASE_URL: api.url, LICENTRIC_API_KEY: api.apiKey };
  return runExample({ main: new URL("../src/main.ts", import.meta.url), env, args });
}

async function use(customerId: string | undefined, quantity: number): Promise<void> {
  const { client } = api;
  const agent = await client.agents.create({
    name: "agent",
    ...(customerId !== undefined && { customerId }),
  });
  const { token } = await client.mcp.authorize(agent.id, { scopes: ["mcp:invoke"] });
  await client.mcp.verify(token, { meterName: "api_calls", quantity });
}

it("closes nothing while no month is over", async () => {
  const { code, stdout } = await monthEnd();
  const { id, status } = await api.client.billing.getCurrentPeriod();
  expect({ code, status }).toEqual({ code: 0, status: "open" });
  expect(stdout).toContain(`no month to bill. To close the one that is running early, add ${id}.`);
});

it("makes the invoice of each customer, and the same ones when it is run again", async () => {
  const { client } = api;
  for await (const meter of client.meters.list({ name: "api_calls" })) {
    await client.meters.setPrice(meter.id, { price: { model: "per_unit", unitPrice: "0.01" } });
  }
  const acme = await client.customers.create({ name: "Acme" });
  const zeta = await client.customers.create({ name: "Zeta" });
  await client.customers.create({ name: "Idle" });
  await use(acme.id, 250);
  await use(acme.id, 50);
  await use(zeta.id, 7);
  await use(undefined, 1);
  const { id: periodId } = await client.billing.getCurrentPeriod();

  const { code, stdout, stderr } = await monthEnd(periodId);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("Acme: 3.00 USD (computed)");
  expect(stdout).toMatch(/× 300 = 3\.00/);
  expect(stdout).toContain("Zeta: 0.07 USD (computed)");
  expect(stdout).toMatch(/^ {2}\S.*: 0\.01 USD \(computed\)$/m);
  expect(stdout).not.toContain("Idle");

  expect(await client.billing.getPeriod(periodId)).toMatchObject({ status: "closed" });
  const invoices = async () => {
    const totals: Record<string, string | undefined> = {};
    for await (const { id = "", total } of client.billing.listInvoices({ periodId })) totals[id] = total;
    return totals;
  };
  const before = await invoices();
  expect(Object.values(before).sort()).toEqual(["0.01", "0.07", "3.00"]);
  expect((await monthEnd(periodId)).stdout).toBe(stdout);
  expect(await invoices()).toEqual(before);
  expect((await monthEnd()).stdout).toContain("no month to bill");
});

it("bills a month that was closed and not billed: a run that broke off", async () => {
  const { client } = api;
  const { id: periodId } = await client.billing.getCurrentPeriod();
  const late = await client.customers.create({ name: "Late" });
  await use(late.id, 9);
  await use(undefined, 2);
  await client.billing.closePeriod(periodId);
  await client.billing.createInvoice(periodId);

  const { code, stdout } = await monthEnd();
  expect(code).toBe(0);
  expect(stdout).toContain("Late: 0.09 USD (computed)");
  expect(stdout.match(/ to /g)).toHaveLength(1);
  expect((await monthEnd()).stdout).toContain("no month to bill");
});

it("bills again what was voided", async () => {
  const { client } = api;
  const late = await client.billing.listInvoices({ limit: 1 });
  await client.billing.voidInvoice(late.data[0]?.id ?? "");
  expect((await monthEnd()).stdout).toContain("Late: 0.09 USD (computed)");
  expect((await monthEnd()).stdout).toContain("no month to bill");
});

it("says what is missing where it has no key", async () => {
  const ended = await runExample({ main: new URL("../src/main.ts", import.meta.url) });
  expect(ended.code).not.toBe(0);
  expect(ended.stderr).toContain("LICENTRIC_API_KEY");
});

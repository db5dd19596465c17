import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startApi, type TestApi } from "./support/api.ts";
import { killRunning, licentric } from "./support/licentric.ts";

let api: TestApi;
let directory: string;
beforeAll(async () => {
  api = await startApi();
}, 60_000);
afterAll(() => api.close());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-operate-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));
afterAll(killRunning);

it("exports everything that the account has, for its owner alone, and overwrites nothing", async () => {
  const { client } = api;
  const customer = await client.customers.create({ name: "Acme", email: "books@acme.example" });
  const agent = await client.agents.create({ name: "an agent", customerId: customer.id });
  await client.mcp.authorize(agent.id, { scopes: ["mcp:invoke"] });
  const events = Array.from({ length: 230 }, () => ({
    agentId: agent.id,
    meterName: "api_calls",
    quantity: 2,
  }));
  await client.usage.recordBatch(events);
  const correction = { agentId: agent.id, meterName: "api_calls", quantity: -3, reason: "a blank page" };
  await client.billing.createAdjustment(correction);
  const launch = { discount: { model: "percent", percent: "10" }, reason: "a launch" } as const;
  await client.customers.setDiscount(customer.id, launch);
  await client.customers.setMinimum(customer.id, { minimum: "5" });
  const period = await client.billing.getCurrentPeriod();
  await client.billing.closePeriod(period.id);
  const invoice = await client.billing.createInvoice(period.id, { customerId: customer.id });

  const into = join(directory, "export");
  const { counts } = JSON.parse((await api.run("export", into, "--json")).stdout);
  expect(counts).toMatchObject({ account: 1, customers: 1, "usage-events": 230, invoices: 1, meters: 1 });
  expect((await readdir(into)).sort()).toEqual(
    Object.keys(counts)
      .map((name) => `${name}.ndjson`)
      .sort(),
  );
  const linesOf = async (name: string) =>
    (await readFile(join(into, `${name}.ndjson`), "utf8"))
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  for (const [name, count] of Object.entries(counts))
    expect(await linesOf(name), name).toHaveLength(Number(count));
  expect(await linesOf("customers")).toEqual([customer]);
  expect(await linesOf("invoices")).toMatchObject([{ id: invoice.id, total: invoice.total }]);
  // Besides those of the agent that `licentric dev` made.
  expect(await linesOf("credentials")).toMatchObject([{ agentId: agent.id }, { name: "licentric dev" }]);
  expect(await linesOf("usage-totals")).toMatchObject([{ periodId: period.id, quantity: 460 }]);
  expect(await linesOf("discounts")).toMatchObject([{ ...launch, customerId: customer.id }]);
  expect(await linesOf("minimums")).toMatchObject([{ minimum: "5", customerId: customer.id }]);
  expect(await linesOf("adjustments")).toMatchObject([{ ...correction, customerId: customer.id }]);
  expect((await stat(into)).mode & 0o077).toBe(0);
  expect((await stat(join(into, "customers.ndjson"))).mode & 0o077).toBe(0);

  const again = await api.run("export", into);
  expect(again.code).toBe(2);
  expect(again.stderr).toContain("is not empty");
}, 60_000);

it("says how to start what was restored", async () => {
  const data = join(directory, "data");
  const made = await licentric(["keys", "create", "--json", "--data-dir", data]).ended();
  expect(made.code, made.stderr).toBe(0);
  const backup = join(directory, "backup.tar.gz");
  await licentric(["backup", backup, "--data-dir", data]).ended();
  const restored = join(directory, "in this one");
  const { stdout } = await licentric(["restore", backup, "--data-dir", restored]).ended();
  expect(stdout).toContain(`licentric start --data-dir '${restored}'`);
}, 60_000);

it("erases a customer in the database, once it is confirmed", async () => {
  const data = join(directory, "data");
  const made = JSON.parse((await licentric(["keys", "create", "--json", "--data-dir", data]).ended()).stdout);
  expect(made.key).toMatch(/^lk_test_/);
  const id = "01900000-0000-7000-8000-000000000000";
  const unconfirmed = await licentric(["customers", "erase", id, "--data-dir", data]).ended();
  expect(unconfirmed.code).toBe(2);
  const nobody = await licentric(["customers", "erase", id, "--yes", "--data-dir", data]).ended();
  expect(nobody).toMatchObject({ code: 4, stderr: expect.stringContaining("No customer has the id") });
}, 60_000);

it("lists webhooks of an earlier secret key, and says when there is none", async () => {
  const data = join(directory, "data");
  await licentric(["keys", "create", "--json", "--data-dir", data]).ended();
  const rotate = (env: Record<string, string>, ...args: string[]) =>
    licentric(["webhooks", "rotate-secret", ...args, "--data-dir", data], env).ended();
  const env = { LICENTRIC_SECRET_KEY: "a-new-key-of-the-server" };
  expect((await rotate(env)).stdout).toContain("LICENTRIC_PREVIOUS_SECRET_KEY can be removed");
  expect((await rotate({})).stderr).toContain("LICENTRIC_SECRET_KEY is not set");
  expect(await rotate(env, "nobody", "--show-secret")).toMatchObject({ code: 4 });
}, 60_000);

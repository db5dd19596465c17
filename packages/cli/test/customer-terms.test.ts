import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApi, type TestApi } from "./support/api.ts";
import { killRunning } from "./support/licentric.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
}, 120_000);
afterAll(async () => {
  await api?.close();
  await killRunning();
}, 60_000);

const SLOW = { timeout: 120_000 };

describe("licentric customers discount and minimum", SLOW, () => {
  it("are agreed by the customer's name, listed, and stand on preview and invoice", async () => {
    const { client } = api;
    const { id: customerId } = await client.customers.create({ name: "Acme" });
    const agent = await client.agents.create({ name: "acme's", customerId });
    await client.meters.create({ name: "pages", price: { model: "per_unit", unitPrice: "0.10" } });
    await client.usage.record({ agentId: agent.id, meterName: "pages", quantity: 600 });
    const { id: periodId, startsAt = "" } = await client.billing.getCurrentPeriod();

    expect((await api.run("customers", "discounts", "Acme")).stdout).toContain("No discount.");
    expect((await api.run("customers", "minimums", "Acme")).stdout).toContain("No minimum.");
    const half = ["--percent", "50", "--reason", "launch partner", "--periods", "3"];
    const { stdout: agreed } = await api.run("customers", "discount", "Acme", ...half);
    expect(agreed).toMatch(/^50 % off\.\nIt counts for 3 periods, from the one that begins /);
    const least = await api.json("customers", "minimum", "Acme", "--amount", "50", "--from", startsAt);
    expect(least).toMatchObject({ customerId, minimum: "50", billedFrom: startsAt });
    expect((await api.run("customers", "discounts", "Acme")).stdout).toMatch(
      /\b3 +50 % off +launch partner /,
    );
    expect((await api.run("customers", "minimums", "Acme")).stdout).toMatch(/ until the next +At least 50 /);

    const preview = await api.run("invoice", "preview", "--customer", "Acme");
    expect(preview.stdout).toMatch(/^Acme +pages +600 +0\.10 +60\.00/m);
    expect(preview.stdout).toMatch(/^Acme +Discount of 50 %: launch partner .*-30\.00/m);
    expect(preview.stdout).toMatch(/^Acme +Up to the minimum of 50 USD .* 20\.00/m);
    expect(preview.stdout).toMatch(/^Acme +total .*50\.00 USD/m);
    const { stdout: rows } = await api.run("invoice", "preview", "--customer", "Acme", "--csv");
    expect(rows.trimEnd().split("\r\n")).toHaveLength(4);
    expect(rows).toMatch(/,Discount of 50 %: launch partner,,,,-30\.00,usd\r\n/);

    await client.billing.closePeriod(periodId);
    const invoice = await client.billing.createInvoice(periodId, { customerId });
    const { stdout: shown } = await api.run("invoice", "show", invoice.id ?? "");
    expect(shown).toMatch(/^total +50\.00 USD$/m);
    expect(shown).toMatch(
      /^pages .* 60\.00\nDiscount of 50 %: launch partner .*-30\.00\nUp to the minimum of 50 USD .*20\.00$/m,
    );
    const { stdout: lines } = await api.run("invoice", "show", invoice.id ?? "", "--csv");
    expect(lines).toMatch(
      /,Discount of 50 %: launch partner,,,-30\.00,usd\r\n.*minimum of 50 USD,,,20\.00,usd\r\n$/,
    );

    expect(
      await api.run("customers", "discount", "Acme", "--amount", "5", "--reason", "x", "--from", startsAt),
    ).toMatchObject({
      code: 6,
      stderr: expect.stringContaining("is closed"),
    });
    expect((await api.run("customers", "discount", "Acme", "--none")).stdout).toMatch(/^No discount\.\n/);
    expect((await api.run("customers", "minimum", "Acme", "--none")).stdout).toMatch(/^No minimum\.\n/);
  });

  it.each([
    [["discount", "Acme"], "one of --percent, --amount and --none"],
    [["discount", "Acme", "--percent", "5", "--none"], "one of --percent, --amount and --none"],
    [["discount", "Acme", "--percent", "5"], "--reason"],
    [["discount", "Acme", "--percent", "101", "--reason", "x"], "at most 100"],
    [["discount", "Acme", "--none", "--periods", "2"], "does not go with null"],
    [["minimum", "Acme"], "--amount or --none"],
    [["minimum", "Acme", "--amount", "5", "--none"], "--amount or --none"],
  ])("refuses `customers %j`", async (args, sentence) => {
    const refused = await api.run("customers", ...args);
    expect(refused).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(sentence) });
  });
});

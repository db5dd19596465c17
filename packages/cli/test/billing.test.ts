import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAccount, createKey, getEnvironmentId, openDatabase, startServer } from "@licentric/server";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepareDatabase } from "../../server/test/support/prepared-database.ts";
import { startApi, type TestApi } from "./support/api.ts";
import { killRunning, licentric } from "./support/licentric.ts";

let api: TestApi;
let agentId: string;
beforeAll(async () => {
  api = await startApi();
  agentId = (await api.client.agents.create({ name: "buyer" })).id;
}, 120_000);
afterAll(async () => {
  await api?.close();
  await killRunning();
}, 60_000);

const SLOW = { timeout: 120_000 };

describe("licentric meters", SLOW, () => {
  it("creates a meter with a price and lists it", async () => {
    const made = await api.json("meters", "create", "pages", "--unit", "page", "--unit-price", "0.0025");
    expect(made).toMatchObject({
      name: "pages",
      unit: "page",
      price: { model: "per_unit", unitPrice: "0.0025" },
    });
    const { stdout } = await api.run("meters", "list");
    expect(stdout).toMatch(/^pages +pages +page +0\.0025 per unit +- +/m);
    expect(stdout).toMatch(/^api_calls +API calls +call +- +- +/m);
  });

  it("limits what one call may use of a meter, and lists it", async () => {
    const made = await api.json("meters", "create", "bytes", "--max-quantity-per-call", "5000");
    expect(made).toMatchObject({ name: "bytes", maxQuantityPerCall: 5000 });
    const args = ["--max-quantity-per-call", "1000000000", "--display-name", "Bytes read", "--unit", "byte"];
    expect(await api.json("meters", "update", "bytes", ...args)).toMatchObject({
      displayName: "Bytes read",
      unit: "byte",
      maxQuantityPerCall: 1_000_000_000,
    });
    expect((await api.run("meters", "list")).stdout).toMatch(
      /^bytes +Bytes read +byte +- +- +1,000,000,000 +/m,
    );
    expect((await api.run("meters", "update", "bytes", "--unit", "B")).stdout).toMatch(
      /^most in a call +1,000,000,000$/m,
    );
    for (const wrong of [[], ["--max-quantity-per-call", "0"], ["--max-quantity-per-call", "1000000001"]])
      expect(await api.run("meters", "update", "bytes", ...wrong)).toMatchObject({ code: 2, stdout: "" });
    expect(await api.run("meters", "update", "no_such_meter", "--unit", "x")).toMatchObject({ code: 4 });
  });

  it("sets prices of every model by the meter's name, and lists them", async () => {
    await api.client.meters.create({ name: "tokens" });
    const prices: [string[], object][] = [
      [
        ["--model", "graduated", "--tier", "1000:0.01", "--tier", "rest:0.005:2"],
        {
          model: "graduated",
          tiers: [
            { upTo: 1000, unitPrice: "0.01" },
            { upTo: null, unitPrice: "0.005", flatPrice: "2" },
          ],
        },
      ],
      [
        ["--model", "volume", "--tier", "rest:0.02", "--minimum", "5"],
        { model: "volume", tiers: [{ upTo: null, unitPrice: "0.02" }], minimumAmount: "5" },
      ],
      [
        ["--model", "package", "--package-size", "100", "--package-price", "1.50", "--included", "10"],
        { model: "package", packageSize: 100, packagePrice: "1.50", includedQuantity: 10 },
      ],
      [
        ["--unit-price", "0.10", "--allowance", "100/day"],
        { model: "per_unit", unitPrice: "0.10", allowance: { quantity: 100, every: "day" } },
      ],
    ];
    for (const [args, price] of prices) {
      expect(await api.json("meters", "price", "tokens", ...args)).toMatchObject({ price });
    }
    const { stdout } = await api.run("meters", "prices", "tokens");
    expect(stdout).toContain("1.50 per 100, 10 free");
    expect(stdout).toContain("0.10 per unit, 100 free a day");
    expect(stdout).toContain("volume: then 0.02, at least 5");
    expect(stdout).toContain("graduated: to 1000 0.01 / then 0.005 + 2");
  });

  it.each([
    [["tokens"], 2, "--unit-price"],
    [["tokens", "--model", "package", "--package-size", "5"], 2, "--package-price"],
    [["tokens", "--model", "package", "--unit-price", "5"], 2, "does not go with"],
    [["tokens", "--model", "volume"], 2, "--tier"],
    [["tokens", "--tier", "cheap"], 2, "upTo:unitPrice"],
    [["tokens", "--unit-price", "free"], 2, "decimal"],
    [["tokens", "--unit-price", "1", "--allowance", "100"], 2, "100/day"],
    [["tokens", "--unit-price", "1", "--allowance", "1/day", "--included", "1"], 2, "cannot be used with"],
    [["no_such_meter", "--unit-price", "1"], 4, "no_such_meter"],
  ])("refuses `meters price %j`", async (args, code, sentence) => {
    const refused = await api.run("meters", "price", ...args);
    expect(refused).toMatchObject({ code, stdout: "", stderr: expect.stringContaining(sentence) });
  });
});

describe("licentric budgets", SLOW, () => {
  it("creates, lists, changes and removes a budget", async () => {
    const made = await api.json("budgets", "create", agentId, "--limit", "1000", "--window", "day");
    expect(made).toMatchObject({ agentId, meterName: "api_calls", limit: 1000, window: "day" });
    const { id } = made as { id: string };
    expect((await api.run("budgets", "list", "--agent", agentId)).stdout).toMatch(
      new RegExp(`${id} +${agentId} +api_calls +day +0 +1,000 +ok`),
    );
    expect(await api.run("budgets", "update", id)).toMatchObject({ code: 2 });
    const changed = await api.json("budgets", "update", id, "--limit", "5", "--warn-at", "50");
    expect(changed).toMatchObject({ limit: 5, warnAtPercent: 50 });
    expect(await api.run("budgets", "create", agentId)).toMatchObject({ code: 2 });
    expect(await api.run("budgets", "delete", id)).toMatchObject({ code: 2 });
    expect(await api.json("budgets", "delete", id, "--yes")).toMatchObject({ id });
    expect((await api.run("budgets", "list")).stdout).toContain("No budgets.");
  });

  it("limits all agents of a customer together, by its name", async () => {
    const { id: customerId } = await api.client.customers.create({ name: "Shared Ltd" });
    const made = await api.json("budgets", "create", "--customer", "Shared Ltd", "--limit", "9");
    expect(made).toMatchObject({ agentId: null, customerId, limit: 9, shared: true });
    const { id } = made as { id: string };
    expect((await api.run("budgets", "list", "--customer", "Shared Ltd")).stdout).toMatch(
      new RegExp(`${id} +customer ${customerId} +api_calls +period +0 +9 +ok`),
    );
    expect((await api.run("budgets", "list", "--agent", agentId)).stdout).toContain("No budgets.");
    expect((await api.run("budgets", "show", id)).stdout).toMatch(
      new RegExp(`^customer +${customerId}$`, "m"),
    );
    for (const owners of [[], [agentId, "--customer", customerId]]) {
      expect(await api.run("budgets", "create", ...owners, "--limit", "9")).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("either the agent to limit, or --customer"),
      });
    }
    expect(await api.json("budgets", "delete", id, "--yes")).toMatchObject({ id });
  });

  it("limits what may be spent, on all meters or on one", async () => {
    const made = await api.json("budgets", "create", agentId, "--amount", "12.50");
    expect(made).toMatchObject({ agentId, meterName: null, limit: 1250, amounts: { limit: "12.50" } });
    const { id } = made as { id: string };
    const one = await api.json("budgets", "create", agentId, "--amount", "1", "--meter", "api_calls");
    expect(one).toMatchObject({ meterName: "api_calls", amounts: { limit: "1" } });
    expect((await api.run("budgets", "list", "--agent", agentId)).stdout).toMatch(
      new RegExp(`${id} +${agentId} +all +period +0 USD +12.50 USD +ok`),
    );
    expect(await api.json("budgets", "update", id, "--amount", "20")).toMatchObject({ limit: 2000 });
    expect((await api.run("budgets", "show", id)).stdout).toMatch(/^remaining +20 USD$/m);
    expect(await api.run("budgets", "create", agentId, "--amount", "1", "--limit", "1")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("either --limit, in units, or --amount, in money"),
    });
    for (const budget of [id, (one as { id: string }).id])
      await api.run("budgets", "delete", budget, "--yes");
  });

  it("marks a budget as enforced, and no longer", async () => {
    const made = await api.json("budgets", "create", agentId, "--limit", "5", "--enforced");
    const { id } = made as { id: string };
    expect(made).toMatchObject({ enforced: true });
    const listed = async () => (await api.run("budgets", "list", "--agent", agentId)).stdout;
    expect(await listed()).toMatch(new RegExp(`${id} .+ ok +yes `));
    expect(await api.json("budgets", "update", id, "--limit", "6")).toMatchObject({ enforced: true });
    expect(await api.json("budgets", "update", id, "--no-enforced")).toMatchObject({ enforced: false });
    expect(await listed()).toMatch(new RegExp(`${id} .+ ok +no `));
    expect((await api.run("budgets", "update", id, "--enforced")).stdout).toMatch(/^enforced +yes$/m);
    await api.run("budgets", "delete", id, "--yes");
  });
});

describe("the end of a month", SLOW, () => {
  it("is the usage, the close, and an invoice that agrees with both", async () => {
    await api.client.meters.create({
      name: "images",
      displayName: "Images",
      price: { model: "per_unit", unitPrice: "0.25" },
    });
    for (const quantity of [3, 4]) await api.client.usage.record({ agentId, meterName: "images", quantity });

    expect(await api.json("usage", "totals", "--meter", "images", "--by", "agent")).toEqual([
      { meterName: "images", agentId, quantity: 7, eventCount: 2 },
    ]);
    expect((await api.run("usage", "totals", "--period", "current")).stdout).toMatch(/^images +7 +2$/m);
    const events = await api.run("usage", "events", "--meter", "images", "--limit", "1");
    expect(events.stdout).toMatch(/Z +images +4 +/);

    const current = (await api.json("period", "current")) as { id: string };
    expect(await api.json("period", "show", current.id)).toEqual(current);
    expect((await api.run("period", "list", "--status", "open")).stdout).toContain(current.id);
    expect(await api.run("invoice", "create", current.id)).toMatchObject({ code: 6, stdout: "" });

    expect(await api.run("close", current.id)).toMatchObject({ code: 2, stdout: "" });
    const closed = await api.json("close", current.id, "--yes");
    expect(closed).toMatchObject({
      id: current.id,
      status: "closed",
      totals: [{ meterName: "images", quantity: 7, eventCount: 2 }],
    });
    expect(await api.json("close", current.id, "--yes")).toEqual(closed);
    expect(await api.json("close", current.id)).toEqual(closed);
    expect(await api.json("period", "show", "previous")).toEqual(closed);
    expect(await api.json("usage", "totals", "--period", "previous")).toMatchObject([{ quantity: 7 }]);

    expect((await api.run("invoice", "pending")).stdout).toMatch(/closed +My account +1\.75 USD/);
    const made = await api.run("invoice", "create", current.id);
    expect(made.stdout).toMatch(/^Images +7 +0\.25 +1\.75$/m);
    expect(made.stdout).toContain("1.75 USD");
    expect(made.stdout).toContain("Stripe is not connected");
    expect((await api.run("invoice", "create", current.id, "--own")).stdout).toBe(made.stdout);
    const invoice = (await api.json("invoice", "create", "previous", "--own")) as { id: string };
    const { invoiced } = (await api.json("invoice", "create", "previous")) as { invoiced: object[] };
    expect(invoiced).toMatchObject([{ name: "My account", invoice: { id: invoice.id, total: "1.75" } }]);
    expect((await api.run("invoice", "check", "previous")).stdout).toContain("say the same, in 1 invoice.");
    expect((await api.run("invoice", "pending")).stdout).toContain("every period that is over is invoiced");
    expect(await api.json("invoice", "show", invoice.id)).toEqual(invoice);
    expect((await api.run("invoice", "show", invoice.id)).stdout).toMatch(/^payer +My account$/m);
    const early = await api.run("invoice", "create", "current");
    expect(early).toMatchObject({ code: 6, stderr: expect.stringContaining("`licentric close <period>`") });
    expect(early.stderr).not.toContain("billing.closePeriod");
    expect((await api.run("invoice", "list", "--period", "previous")).stdout).toContain("1.75 USD");
    expect(await api.run("invoice", "void", invoice.id)).toMatchObject({ code: 2, stdout: "" });
    expect(await api.json("invoice", "void", invoice.id, "--yes")).toMatchObject({ status: "void" });
    expect(await api.json("invoice", "pending", "--period", "previous")).toMatchObject({
      data: [{ total: "1.75" }],
      pagination: { hasMore: false },
    });
    const untrue = await api.run("invoice", "check", "previous");
    expect(untrue).toMatchObject({ code: 1, stdout: expect.stringMatching(/^uninvoiced +the account +/m) });
    expect(await api.run("invoice", "create", "previous", "--own", "--customer", "x")).toMatchObject({
      code: 2,
    });
  });

  it("issues an invoice, links to its document and records its payment", async () => {
    const instructions = ["--payment-instructions", "IBAN DE02"];
    expect((await api.run("account", "update", ...instructions)).stdout).toMatch(/^how to pay +IBAN DE02$/m);
    const { id } = (await api.json("invoice", "create", "previous", "--own")) as { id: string };
    expect(await api.run("invoice", "link", id)).toMatchObject({
      code: 6,
      stderr: expect.stringContaining("not issued"),
    });
    expect(await api.run("invoice", "issue", id)).toMatchObject({ code: 2, stdout: "" });
    const issued = await api.run("invoice", "issue", id, "--days-until-due", "14", "--yes");
    expect(issued.stdout).toMatch(/^number +TEST-0001$/m);
    expect(issued.stdout).not.toContain("Stripe is not connected");
    expect(issued.stdout).toContain(`Next: licentric invoice link ${id}`);
    const { url } = (await api.json("invoice", "link", id, "--expires-in", "1h")) as { url: string };
    expect(await (await fetch(url)).text()).toContain("IBAN DE02");
    expect(await api.run("invoice", "pay", id, "--reference", "transfer 1")).toMatchObject({ code: 2 });
    const paid = await api.run("invoice", "pay", id, "--reference", "transfer 1", "--yes");
    expect(paid.stdout).toMatch(/^paid by +transfer 1$/m);
    expect(await api.run("invoice", "pay", id, "--reference", "transfer 2", "--yes")).toMatchObject({
      code: 6,
    });
    await api.run("account", "update", "--payment-instructions", "none");
    expect(await api.json("account", "show")).toMatchObject({ paymentInstructions: null });
  });

  it("has what was refunded and adjusted on the line", async () => {
    const meterName = "drawings";
    await api.client.meters.create({ name: meterName, price: { model: "per_unit", unitPrice: "0.25" } });
    const { event } = await api.client.usage.record({
      agentId,
      meterName,
      quantity: 8,
      idempotencyKey: "receipt-1",
    });
    await api.client.usage.record({ agentId, meterName, quantity: 6 });
    const found = await api.run("usage", "events", "--idempotency-key", "receipt-1", "--agent", agentId);
    expect(found.stdout).toContain(event.id);
    expect((await api.run("usage", "events", "--idempotency-key", "receipt-2")).stdout).toBe("No usage.\n");

    expect(await api.run("usage", "refund", event.id)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--reason"),
    });
    const refund = await api.run("usage", "refund", event.id, "--reason", "an empty answer");
    expect(refund.stdout).toMatch(/^quantity +-8$/m);
    expect(await api.run("usage", "refund", event.id, "--reason", "again")).toMatchObject({
      code: 6,
      stderr: expect.stringContaining("refunded already"),
    });
    const adjust = (by: string, ...more: string[]) =>
      api.run("usage", "adjust", agentId, "--meter", meterName, "--by", by, "--reason", "a blank", ...more);
    expect((await adjust("-2")).stdout).toMatch(/^quantity +-2$/m);
    expect((await adjust("1", "--period", "current")).stdout).toMatch(/^quantity +1$/m);
    for (const wrong of ["0", "1.5", "none"]) expect(await adjust(wrong)).toMatchObject({ code: 2 });
    const listed = await api.run("usage", "adjustments", "--agent", agentId, "--meter", meterName);
    expect(listed.stdout).toMatch(new RegExp(`drawings +-8 +${agentId} +${event.id} +an empty answer`));
    expect(listed.stdout.trim().split("\n")).toHaveLength(4);
    expect((await api.run("usage", "adjustments", "--period", "previous")).stdout).toBe("No adjustments.\n");

    const { id } = (await api.json("period", "current")) as { id: string };
    const made = /drawings +5 +2 +14 used, -9 adjusted$/m;
    expect((await api.run("period", "show", id)).stdout).toMatch(made);
    expect((await api.run("close", id, "--yes")).stdout).toMatch(made);
    const invoice = await api.run("invoice", "create", id, "--own");
    expect(invoice.stdout).toMatch(/drawings +5 +0\.25 +1\.25 +14 used, -9 adjusted$/m);
    expect((await api.run("invoice", "check", id)).code).toBe(0);
  });

  it("shows what the period costs so far, by a customer's own price", async () => {
    const { id: customerId } = (await api.json("customers", "create", "Globex")) as { id: string };
    const agent = (await api.json("agents", "create", "globex bot", "--customer", "Globex")) as {
      id: string;
    };
    await api.run("meters", "create", "scans", "--unit-price", "0.40");
    const { id, startsAt } = (await api.json("period", "current")) as { id: string; startsAt: string };
    const setPrice = (...args: string[]) => api.run("meters", "price", "scans", ...args);
    const set = await setPrice("--customer", "Globex", "--unit-price", "0.25", "--from", startsAt);
    expect(set.stdout).toContain("0.25 per unit from");
    expect((await api.run("meters", "list", "--customer", "Globex")).stdout).toMatch(
      /^scans +scans +unit +0\.25 per unit \(own\)/m,
    );
    expect((await api.run("meters", "prices", "scans", "--customer", "Globex")).stdout).toContain(customerId);
    await api.client.usage.record({ agentId: agent.id, meterName: "scans", quantity: 6 });
    await api.client.usage.record({ agentId, meterName: "scans", quantity: 1 });

    const preview = (...args: string[]) => api.run("invoice", "preview", ...args);
    const shown = (await preview()).stdout;
    expect(shown).toMatch(/^Globex +scans +6 +0\.25 \(own\) +1\.50 +-$/m);
    expect(shown).toMatch(/^Globex +total +- +- +1\.50 USD +-$/m);
    expect(shown).toMatch(/ scans +1 +0\.40 +0\.40 +-$/m);
    expect((await preview(id, "--customer", "Globex")).stdout.trim().split("\n")).toHaveLength(3);
    expect((await preview("--customer", "Globex", "--csv")).stdout).toContain(
      `,${customerId},Globex,,scans,scans,6,0.25,true,1.50,usd`,
    );
    expect(await api.json("invoice", "preview", "--customer", "Globex")).toMatchObject({
      data: [{ customerId, total: "1.50", lines: [{ meterName: "scans", ownPrice: true }] }],
    });
    expect((await preview("--by-agent", "--agent", "globex bot")).stdout).toMatch(
      new RegExp(`^globex bot +${customerId} +scans +6 +0 +1\\.5 USD$`, "m"),
    );
    expect((await preview("--by-agent", "--customer", "Globex", "--csv")).stdout).toContain(
      `,${agent.id},globex bot,${customerId},scans,6,0,1.5,usd`,
    );
    expect(await preview("--agent", "globex bot")).toMatchObject({ code: 2 });
    expect(await preview("--customer", "no such one")).toMatchObject({ code: 4 });
    expect(await preview("0198a1f2-7c3e-7d8a-9b61-0f6c2d4e8a10")).toMatchObject({ code: 4 });

    for (const wrong of [["--as-account"], ["--customer", "Globex", "--as-account", "--unit-price", "1"]]) {
      expect(await setPrice(...wrong)).toMatchObject({ code: 2, stdout: "" });
    }
    const ended = await setPrice("--customer", "Globex", "--as-account", "--from", startsAt);
    expect(ended.stdout).toContain("The account's price from");
    expect((await preview("--customer", "Globex")).stdout).toMatch(/^Globex +total +- +- +2\.40 USD +-$/m);
  });

  it("has an invoice for each customer", async () => {
    const customer = await api.json("customers", "create", "Acme", "--email", "pay@acme.example");
    const { id: customerId } = customer as { id: string };
    expect((await api.run("customers", "list")).stdout).toMatch(/Acme +pay@acme\.example/);
    const agent = (await api.json("agents", "create", "theirs", "--customer", customerId)) as { id: string };
    await api.client.usage.record({ agentId: agent.id, meterName: "images", quantity: 2 });
    const { id } = (await api.json("period", "current")) as { id: string };
    await api.json("close", id, "--yes");
    await api.client.usage.record({ agentId, meterName: "images", quantity: 1 });
    const { id: next } = (await api.json("period", "current")) as { id: string };
    expect(next).not.toBe(id);
    expect(await api.json("invoice", "create", id, "--customer", customerId)).toMatchObject({
      customerId,
      total: "0.50",
    });
    await api.client.usage.record({ agentId: agent.id, meterName: "images", quantity: 4 });
    await api.json("close", next, "--yes");
    const own = await api.run("invoice", "create", next, "--own");
    expect(own.stdout).toContain("1.00 USD of 1 other payer is not invoiced yet");
    expect((await api.run("invoice", "create", next)).stdout).toMatch(/^Acme +1\.00 USD +computed/m);
  });
});

describe("who pays", SLOW, () => {
  it("is the account, shown and changed", async () => {
    const account = await api.json("account", "show");
    expect(account).toMatchObject({ name: "My account", email: null, currency: "usd", stripeStatus: "none" });
    const changed = await api.json(
      ...["account", "update", "--name", "Acme", "--email", "books@acme.example", "--currency", "eur"],
      ...["--address", "city=Berlin", "--address", "country=DE", "--tax-id", "eu_vat:DE123456789"],
      ...["--time-zone", "Europe/Berlin"],
    );
    expect(changed).toMatchObject({
      name: "Acme",
      email: "books@acme.example",
      address: { city: "Berlin", country: "DE" },
      taxId: { type: "eu_vat", value: "DE123456789" },
      currency: "eur",
      timeZone: "Europe/Berlin",
    });
    const { stdout } = await api.run("account", "show");
    expect(stdout).toMatch(/^email +books@acme\.example$/m);
    expect(stdout).toMatch(/^address +Berlin, DE$/m);
    expect(stdout).toMatch(/^tax id +eu_vat DE123456789$/m);
    const less = ["--email", "none", "--address", "none", "--tax-id", "none", "--currency", "usd"];
    expect(await api.json("account", "update", ...less)).toMatchObject({
      email: null,
      address: null,
      taxId: null,
    });
  });

  it("is a customer, shown and changed", async () => {
    const { id } = (await api.json("customers", "create", "Zeta", "--stripe-customer", "cus_1")) as {
      id: string;
    };
    expect((await api.run("customers", "show", id)).stdout).toMatch(/^stripe +cus_1 \(pending\)$/m);
    const changed = await api.json(
      "customers",
      "update",
      id,
      "--email",
      "a@b.example",
      "--stripe-customer",
      "none",
    );
    expect(changed).toMatchObject({ id, email: "a@b.example", stripeCustomerId: null, stripeStatus: "none" });
    expect(await api.json("customers", "show", id)).toEqual(changed);
  });

  it.each([
    [["account", "update"], 2, "Say what to change"],
    [["account", "update", "--currency", "xxz"], 2, "ISO 4217"],
    [["account", "update", "--tax-id", "DE123"], 2, "type:value"],
    [["customers", "show", "0190f000-0000-7000-8000-000000000000"], 4, "No customer"],
  ])("is not changed by %j", async (args, code, sentence) => {
    expect(await api.run(...args)).toMatchObject({
      code,
      stdout: "",
      stderr: expect.stringContaining(sentence),
    });
  });
});

describe("licentric close", SLOW, () => {
  it("refuses `current` where nobody can be asked, and names the id instead", async () => {
    const { id } = (await api.json("period", "current")) as { id: string };
    for (const args of [[], ["--yes"]]) {
      expect(await api.run("close", "current", ...args)).toMatchObject({
        code: 2,
        stdout: "",
        stderr: expect.stringContaining(`licentric close ${id} --yes`),
      });
    }
    expect(await api.json("period", "current")).toMatchObject({ id, status: "open" });
  });

  it("says that there is no such period before it asks for --yes", async () => {
    expect(await api.run("close", "nope")).toMatchObject({ code: 4, stdout: "" });
  });

  it("closes the month that is over as `previous`, and answers the same again", async () => {
    const month = await startAt("2026-05-10T12:00:00Z");
    try {
      expect(await month.run("close", "previous", "--yes")).toMatchObject({ code: 4, stdout: "" });
      const may = await month.json("period", "current");
      month.setTime("2026-06-01T00:00:00Z");
      const closed = await month.json("close", "previous", "--yes");
      expect(closed).toEqual({ ...may, status: "closed", closedAt: "2026-06-01T00:00:00.000Z" });
      month.setTime("2026-06-02T00:00:00Z");
      expect(await month.json("close", "previous", "--yes")).toEqual(closed);
      expect(await month.json("period", "list")).toMatchObject({
        data: [{ status: "open", startsAt: "2026-06-01T00:00:00.000Z" }, { status: "closed" }],
      });
    } finally {
      await month.close();
    }
  });
});

describe("usage of what does not exist", SLOW, () => {
  const missing = "0190f000-0000-7000-8000-000000000000";
  it.each([
    ["--period", "nope"],
    ["--period", missing],
    ["--agent", missing],
    ["--customer", missing],
    ["--meter", "no_such_meter"],
  ])("is not called no usage: %s %s", async (flag, value) => {
    for (const list of ["totals", "events"]) {
      expect(await api.run("usage", list, flag, value)).toMatchObject({
        code: 4,
        stdout: "",
        stderr: expect.stringContaining(value),
      });
    }
  });

  it("is an empty answer where it exists and has none, also with a key that may read usage alone", async () => {
    const { id } = (await api.json("agents", "create", "idle")) as { id: string };
    expect((await api.run("usage", "totals", "--agent", id)).stdout).toBe("No usage.\n");
    const { key } = await api.client.keys.create({ scopes: ["usage:read"] });
    const env = { ...api.env, LICENTRIC_API_KEY: key.reveal() };
    expect(await licentric(["usage", "events", "--agent", id], env).ended()).toMatchObject({
      code: 0,
      stdout: "No usage.\n",
    });
  });
});

/** The API in this process, at a time that the test sets. */
async function startAt(start: string) {
  let now = new Date(start);
  const dataDirectory = await mkdtemp(join(tmpdir(), "licentric-cli-"));
  await prepareDatabase(dataDirectory);
  const db = await openDatabase({ dataDirectory });
  const making = { newId: () => uuidv7(), now, randomBytes };
  const account = await createAccount(db, { name: "Acme" }, making);
  const environmentId = await getEnvironmentId(db, account.id, "test");
  const { key } = await createKey(db, { environmentId, mode: "test" }, making);
  const server = await startServer({ db, port: 0, now: () => now, logLevel: "error" });
  const run = (...args: string[]) =>
    licentric(args, { LICENTRIC_API_KEY: key, LICENTRIC_BASE_URL: server.url }).ended();
  return {
    setTime: (time: string) => {
      now = new Date(time);
    },
    run,
    json: async (...args: string[]): Promise<object> => JSON.parse((await run(...args, "--json")).stdout),
    close: async () => {
      await server.close();
      await db.close();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

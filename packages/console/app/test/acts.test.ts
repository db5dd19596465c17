import type { Browser } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  createAuthorizedAgent,
  startTestApi,
  type TestAccount,
  type TestApi,
} from "../../../server/test/support/api.ts";
import { embedded } from "../../../server/test/support/databases.ts";
import { fillIn, make, openQuestion, takeSecret } from "./asking.ts";
import { makeLink, openConsole, pages, startBrowser } from "./browser.ts";
import { plainName } from "./names.ts";
import { addressesOf, seed } from "./seed.ts";

let browser: Browser;
let api: TestApi;
let account: TestAccount;
beforeAll(async () => {
  browser = await startBrowser();
  api = await startTestApi(embedded, { logLevel: "silent", consoleDirectory: pages });
});
beforeEach(async () => {
  account = await api.createAccount({ name: "Northwind Tools", currency: "eur" });
});
afterAll(async () => {
  await browser?.close();
  await api?.close();
});

const open = async (body: object = {}) => openConsole(browser, await makeLink(api, account.key, body));
const read = async (path: string) =>
  (await api.call("GET", `/api/v1${path}`, { token: account.key })).body.data;
const post = async (path: string, body: object) =>
  (await api.call("POST", `/api/v1${path}`, { token: account.key, body })).body.data;
const verify = (token: string) =>
  api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls", quantity: 7 } });

describe("a question", () => {
  it("changes nothing where it is cancelled or left, and gives the focus back to its button", async () => {
    const { page, context, goTo } = await open();
    await goTo("/customers");
    const button = page.getByRole("button", { name: "Create customer" });
    await button.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Create a customer" });
    await dialog.waitFor();
    await page.waitForFunction(() => document.activeElement?.tagName === "INPUT");
    await page.keyboard.type("Nobody");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await page.waitForFunction(() => document.activeElement?.textContent === "Create customer");
    await page.keyboard.press("Enter");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await dialog.waitFor({ state: "detached" });
    expect(await read("/customers")).toEqual([]);
    await context.close();
  });

  it("is answered with the keyboard alone, and what was done is said", async () => {
    const { page, context, goTo, complaints } = await open();
    await goTo("/customers");
    await page.getByRole("button", { name: "Create customer" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.waitForFunction(() => document.activeElement?.tagName === "INPUT");
    await page.keyboard.type("Acme");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByText("Acme is created.").waitFor();
    await page.waitForFunction(() => document.activeElement?.className === "act-outcome");
    await page.keyboard.press("Escape");
    await page.getByRole("status").getByText("Acme is created.").waitFor();
    await page.getByRole("link", { name: "Acme", exact: true }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  it("stays with what was filled in where the API refuses, in its words and with the request's id", async () => {
    const { page, context, goTo } = await open();
    await goTo("/meters");
    const dialog = await openQuestion(page, "Create meter");
    await fillIn(dialog, { "Name in code": "api_calls" });
    await dialog.getByRole("button", { name: "Create meter" }).click();
    await dialog.getByRole("alert").getByText("api_calls").waitFor();
    expect(await dialog.getByRole("alert").locator("code").textContent()).toMatch(/^[0-9A-Z]{26}$/);
    await fillIn(dialog, { "Name in code": "pages" });
    await dialog.getByRole("button", { name: "Create meter" }).click();
    await dialog.getByText("pages is created.").waitFor();
    await context.close();
  });

  it("does nothing twice where the answer was lost and it is confirmed again", async () => {
    const { page, context, goTo } = await open();
    await goTo("/agents");
    let lost = 0;
    await page.route("**/api/v1/agents", async (route) => {
      if (route.request().method() !== "POST" || lost > 0) return route.continue();
      lost += 1;
      await route.fetch();
      return route.abort();
    });
    const dialog = await openQuestion(page, "Create agent");
    await fillIn(dialog, { Name: "Planner" });
    await dialog.getByRole("button", { name: "Create agent" }).click();
    await dialog.getByRole("alert").getByText("confirm again here").waitFor();
    await dialog.getByRole("button", { name: "Create agent" }).click();
    await dialog.getByText("Planner is created.").waitFor();
    expect(lost).toBe(1);
    expect(await read("/agents")).toHaveLength(1);
    await context.close();
  });
});

describe("a role", () => {
  it("sees the buttons that it may use, and no other", async () => {
    const seeded = await seed(api, account.key, { customers: 1, eventsPerAgent: 3, name: plainName });
    const buttonsOf = async (role: string) => {
      const { page, context, goTo, complaints } = await open({ role });
      const found = new Set<string>();
      for (const [name, address] of addressesOf(seeded)) {
        if (role === "finance" && ["webhooks", "webhook", "keys", "audit"].includes(name)) continue;
        await goTo(address);
        const buttons = page.getByRole("main").locator("button[aria-haspopup=dialog]");
        for (const text of await buttons.evaluateAll((all) =>
          all.map((one) => one.firstChild?.textContent),
        )) {
          found.add(text ?? "");
        }
      }
      expect(complaints).toEqual([]);
      await context.close();
      return [...found].toSorted();
    };
    expect(await buttonsOf("read")).toEqual([]);
    // The period that is seeded is closed and invoiced.
    expect(await buttonsOf("finance")).toEqual([
      "Correct usage",
      "Create customer",
      "Credit note",
      "Edit",
      "End discount",
      "End minimum",
      "Issue",
      "Refund",
      "Set discount",
      "Set minimum",
      "Void",
    ]);
  });
});

describe("agents", () => {
  it("get a token that is shown once, which is rotated and revoked", async () => {
    const agent = await post("/agents", { name: "Planner" });
    const { page, context, goTo, complaints } = await open();
    await goTo(`/agents/${agent.id}`);
    await make(page, {
      button: "Issue token",
      filling: { Name: "first" },
      confirm: "Issue token",
      done: "The token is issued.",
    });
    await page.keyboard.press("Escape");
    const first = await takeSecret(page);
    expect((await verify(first)).status).toBe(200);
    await make(page, {
      button: "Rotate first",
      filling: { "The old one is taken": "No longer" },
      confirm: "Rotate",
      done: "The new token is issued.",
    });
    const second = await takeSecret(page);
    expect((await verify(first)).status).toBe(401);
    expect((await verify(second)).status).toBe(200);
    expect(await page.content()).not.toContain(second);
    await make(page, { button: "Revoke first", confirm: "Revoke", done: "The token is revoked." });
    expect((await verify(second)).status).toBe(401);
    expect(await page.getByRole("button", { name: /^Revoke/ }).count()).toBe(0);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it("are changed and suspended, and their budgets are set, changed and removed", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, account.key);
    const { page, context, goTo, complaints } = await open();
    await goTo(`/agents/${agentId}`);
    await make(page, {
      button: "Edit Test agent",
      filling: { Name: "Planner" },
      confirm: "Save",
      done: "The agent is changed.",
    });
    await page.getByRole("heading", { level: 1, name: "Planner" }).waitFor();
    await make(page, {
      button: "Set budget",
      filling: { Meter: "API calls", "Most units": "5" },
      confirm: "Set budget",
      done: "The budget is set.",
    });
    expect((await verify(token)).status).toBe(402);
    await make(page, {
      button: "Edit the budget of 5 for api_calls",
      filling: { "Most units": "50" },
      confirm: "Save",
      done: "The budget is changed.",
    });
    expect((await verify(token)).status).toBe(200);
    await make(page, {
      button: "Remove the budget of 50 for api_calls",
      confirm: "Remove the budget",
      done: "The budget is removed.",
    });
    await make(page, {
      button: "Set budget",
      filling: { Limits: "Money", "Most that may be spent in EUR": "2.5", "Starts again": "Each day" },
      confirm: "Set budget",
      done: "The budget is set.",
    });
    expect(await read("/budgets")).toMatchObject([
      { meterName: null, window: "day", amounts: { limit: "2.5" } },
    ]);
    await make(page, { button: "Suspend Planner", confirm: "Suspend", done: "Planner is suspended." });
    expect((await verify(token)).status).toBe(401);
    await make(page, { button: "Activate Planner", confirm: "Activate", done: "Planner is active." });
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe("customers, meters and prices", () => {
  it("are made and changed, and a customer gets a price of its own and loses it", async () => {
    const customer = await post("/customers", { name: "Acme", email: "old@acme.example" });
    const { page, context, goTo, complaints } = await open();
    await goTo(`/customers/${customer.id}`);
    await make(page, {
      button: "Edit Acme",
      filling: { Name: "Acme Berlin", "E-mail": "" },
      confirm: "Save",
      done: "The customer is changed.",
    });
    expect(await read(`/customers/${customer.id}`)).toMatchObject({ name: "Acme Berlin", email: null });
    const own = { button: "Set own price API calls", confirm: "Set the price", done: "The price is set." };
    const perUnit = {
      ...{ Price: "Each unit", "Price of a unit in EUR": "0.01", Bills: "The period that runs" },
      ...{ "Free units of each customer": "20", "Given anew": "Every day" },
    };
    await make(page, { ...own, filling: perUnit });
    const prices = page.getByRole("table", { name: "Prices of this customer" });
    await prices.getByText("€0.01 per call").waitFor();
    await prices.getByText("Its own").waitFor();
    const [priced] = await read(`/meters?name=api_calls&customerId=${customer.id}`);
    expect(priced.price).toMatchObject({ allowance: { quantity: 20, every: "day" } });
    const ends = {
      button: "End own price API calls",
      confirm: "End the own price",
      done: "The own price ends.",
    };
    await make(page, { ...ends, filling: { Bills: "The period that runs" } });
    await prices.getByText("Everybody's").waitFor();

    const [meter] = await read("/meters?name=api_calls");
    await goTo(`/meters/${meter.id}`);
    await make(page, {
      button: "Edit API calls",
      filling: { "Name on invoices": "Calls" },
      confirm: "Save",
      done: "The meter is changed.",
    });
    const dialog = await openQuestion(page, "Set price Calls");
    await fillIn(dialog, { Price: "The units of each tier", "Tiers in EUR": "1000 cheap" });
    await dialog.getByRole("button", { name: "Set the price" }).click();
    await dialog.getByRole("alert").getByText('"1000 cheap" is not a tier.').waitFor();
    await fillIn(dialog, {
      "Tiers in EUR": "1000 0.05 2\nrest 0.04",
      "Free units in each period": "10",
      Bills: "The period that runs",
    });
    await dialog.getByRole("button", { name: "Set the price" }).click();
    await page.getByText("The price is set.").waitFor();
    expect((await read(`/meters/${meter.id}`)).price).toEqual({
      model: "graduated",
      tiers: [
        { upTo: 1_000, unitPrice: "0.05", flatPrice: "2" },
        { upTo: null, unitPrice: "0.04" },
      ],
      includedQuantity: 10,
    });
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe("an event", () => {
  it("is refunded once, with a reason", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, account.key);
    await verify(token);
    const { page, context, goTo } = await open();
    await goTo(`/events?agentId=${agentId}`);
    const refund = {
      button: "Refund 7 of api_calls",
      confirm: "Refund it",
      filling: { Reason: "it was empty" },
    };
    await make(page, { ...refund, done: "The event is refunded." });
    await make(page, { ...refund, done: "is refunded already" });
    await page.getByRole("dialog").getByRole("alert").waitFor();
    expect(await read("/billing/adjustments")).toMatchObject([{ quantity: -7, reason: "it was empty" }]);
    await context.close();
  });
});

describe("the settings", () => {
  it("are the account's own, and stand on what is issued", async () => {
    const { page, context, goTo, complaints } = await open();
    await goTo("/settings");
    await make(page, {
      button: "Edit the account",
      filling: {
        Name: "Northwind GmbH",
        "E-mail": "books@northwind.example",
        "Street and number": "1 Main Street",
        City: "Berlin",
        Country: "de",
        "Kind of tax id": "eu_vat",
        "Tax id": "DE123456789",
      },
      confirm: "Save",
      done: "The account is changed.",
    });
    await make(page, {
      button: "Change currency and time zone",
      filling: { Currency: "USD", "Time zone": "Europe/Berlin" },
      confirm: "Save",
      done: "It counts from the next period on.",
    });
    await make(page, {
      button: "Say how to pay",
      filling: { "How to pay": "IBAN DE02" },
      confirm: "Save",
      done: "What stands on invoices is changed.",
    });
    expect(await read("/account")).toMatchObject({
      name: "Northwind GmbH",
      address: { line1: "1 Main Street", city: "Berlin", country: "DE" },
      taxId: { type: "eu_vat", value: "DE123456789" },
      currency: "usd",
      timeZone: "Europe/Berlin",
      paymentInstructions: "IBAN DE02",
    });
    await make(page, {
      button: "Edit the account",
      filling: { "Street and number": "", City: "", Country: "", "Kind of tax id": "", "Tax id": "" },
      confirm: "Save",
      done: "The account is changed.",
    });
    expect(await read("/account")).toMatchObject({
      address: null,
      taxId: null,
      email: "books@northwind.example",
    });
    const dialog = await openQuestion(page, "Change currency and time zone");
    await fillIn(dialog, { "Time zone": "Nowhere/Town" });
    expect(complaints).toEqual([]);
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByText("is not an IANA time zone").waitFor();
    await context.close();
  });
});

describe("keys and webhooks", () => {
  it("are made, and taken away again", async () => {
    const { page, context, goTo, complaints } = await open();
    await goTo("/keys");
    await make(page, {
      button: "Create key",
      filling: { Name: "reporting", "It may": "What is chosen", "Read usage": true },
      confirm: "Create key",
      done: "The key is made.",
    });
    const key = await takeSecret(page);
    expect((await api.call("GET", "/api/v1/usage/totals", { token: key })).status).toBe(200);
    expect((await api.call("GET", "/api/v1/agents", { token: key })).status).toBe(403);
    await make(page, { button: "Revoke reporting", confirm: "Revoke", done: "The key is revoked." });
    expect((await api.call("GET", "/api/v1/usage/totals", { token: key })).status).toBe(401);

    await goTo("/webhooks");
    await make(page, {
      button: "Add webhook",
      filling: { Address: "https://example.com/hooks", "A budget is nearly used up": false },
      confirm: "Add webhook",
      done: "The webhook is added.",
    });
    expect(await takeSecret(page)).toMatch(/^whsec_/);
    const url = "https://example.com/hooks";
    await make(page, { button: `Switch off ${url}`, confirm: "Switch off", done: "The webhook is off." });
    await make(page, { button: `Switch on ${url}`, confirm: "Switch on", done: "The webhook is on." });
    const [webhook] = await read("/webhooks");
    expect(webhook).toMatchObject({ url, enabled: true });
    expect(webhook.events).not.toContain("budget.warning");
    await make(page, {
      button: `Remove ${url}`,
      confirm: "Remove the webhook",
      done: "The webhook is removed.",
    });
    expect(await read("/webhooks")).toEqual([]);
    expect(complaints).toEqual([]);
    await context.close();
  });
});

import { readFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestApi, type TestAccount, type TestApi } from "../../../server/test/support/api.ts";
import { describeOnEachDatabase } from "../../../server/test/support/databases.ts";
import { make, takeSecret } from "./asking.ts";
import { makeLink, type OpenConsole, openConsole, pages, startBrowser } from "./browser.ts";

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser?.close());

describeOnEachDatabase("a month on the pages, on $name", (database) => {
  let api: TestApi;
  let account: TestAccount;
  beforeAll(async () => {
    api = await startTestApi(database, { logLevel: "silent", consoleDirectory: pages });
    account = await api.createAccount({ name: "Northwind Tools", currency: "eur" });
  });
  afterAll(() => api?.close());

  const read = async (path: string) =>
    (await api.call("GET", `/api/v1${path}`, { token: account.key })).body.data;
  const openPages = async (now?: string) =>
    openConsole(browser, await makeLink(api, account.key), now === undefined ? {} : { now });
  const call = async (token: string, quantity: number) => {
    const body = { meterName: "searches", quantity };
    expect((await api.call("POST", "/api/v1/mcp/verify", { token, body })).status).toBe(200);
  };

  it("sells to a customer, whose agent's calls arrive without a reload", async () => {
    const now = "2026-10-20T10:00:00.000Z";
    api.setTime(now);
    const october = await openPages(now);
    await sellOctober(october);
    expect(october.complaints).toEqual([]);
    await october.context.close();
  });

  it("is closed, invoiced, voided and credited, and its books add up", async () => {
    api.setTime(null);
    const november = await openPages();
    await invoiceOctober(november);
    expect(november.complaints).toEqual([]);
    await november.context.close();

    const [{ id: periodId }] = await read("/billing/periods?status=closed");
    const check = await read(`/billing/periods/${periodId}/check`);
    expect(check.differences).toEqual([]);
    const invoices = await read("/billing/invoices");
    // 7 searches and 3 that were added, at 0.50: one of them void, one of which 1.50 is taken back.
    expect(
      invoices.map(({ status, total, credited }: Record<string, string>) => [status, total, credited]),
    ).toEqual([
      ["paid", "5.00", "1.50"],
      ["void", "5.00", "0.00"],
    ]);
  });

  async function sellOctober({ page, goTo }: OpenConsole) {
    await goTo("/meters");
    await make(page, {
      button: "Create meter",
      filling: {
        "Name in code": "searches",
        "Name on invoices": "Searches",
        Unit: "search",
        Price: "Each unit costs the same",
        "Price of a unit in EUR": "0.25",
      },
      confirm: "Create meter",
      done: "Searches is created.",
    });
    await page.getByRole("dialog").getByRole("link", { name: "Go to its page" }).click();
    await page.getByRole("heading", { level: 1, name: "Searches" }).waitFor();
    await make(page, {
      button: "Set price Searches",
      filling: { "Price of a unit in EUR": "0.5", Bills: "The period that runs" },
      confirm: "Set the price",
      done: "The price is set.",
    });
    await page.getByRole("region", { name: "Price", exact: true }).getByText("€0.50 per search").waitFor();

    await goTo("/customers");
    await make(page, {
      button: "Create customer",
      filling: { Name: "Acme Berlin", "E-mail": "books@acme.example" },
      confirm: "Create customer",
      done: "Acme Berlin is created.",
    });
    await page.getByRole("dialog").getByRole("link", { name: "Go to its page" }).click();
    await page.getByRole("heading", { level: 1, name: "Acme Berlin" }).waitFor();
    await make(page, {
      button: "Create agent",
      filling: { Name: "Travel planner" },
      confirm: "Create agent",
      done: "Travel planner is created.",
    });
    await page.getByRole("dialog").getByRole("link", { name: "Issue its token" }).click();
    await page.getByRole("heading", { level: 1, name: "Travel planner" }).waitFor();
    await make(page, {
      button: "Issue token",
      filling: { Name: "planner", "Ends after": "90 days" },
      confirm: "Issue token",
      done: "The token is issued.",
    });
    const token = await takeSecret(page);

    await page.getByRole("link", { name: "Show its events" }).click();
    await page.getByText("No event matches.").waitFor();
    await call(token, 7);
    await page.getByRole("cell", { name: "7", exact: true }).waitFor();

    await page.getByRole("table", { name: "Events" }).getByRole("link", { name: "Travel planner" }).click();
    await page.getByRole("heading", { level: 1, name: "Travel planner" }).waitFor();
    await make(page, {
      button: "Correct usage",
      filling: { Meter: "Searches", Correction: "Add units", Units: "3", Reason: "the counter was off" },
      confirm: "Correct it",
      done: "The usage is corrected.",
    });
    await page.getByRole("region", { name: "Corrections" }).getByText("the counter was off").waitFor();
    await goTo("/");
    const figure = page.locator(".figures div").filter({ hasText: "Cost so far" });
    await figure.getByText("€5.00").waitFor();
  }

  async function invoiceOctober({ page, goTo }: OpenConsole) {
    await goTo("/periods");
    await page.getByRole("link", { name: "October 2026" }).click();
    await page.getByRole("heading", { level: 1, name: "October 2026" }).waitFor();
    await make(page, {
      button: "Close October 2026",
      confirm: "Close October 2026",
      done: "October 2026 is closed.",
    });
    await invoiceAll(page);
    await page
      .getByRole("table", { name: "Invoices of this period" })
      .getByRole("link", { name: "€5.00" })
      .click();
    await page.getByRole("heading", { level: 1, name: "Invoice of €5.00" }).waitFor();
    await make(page, {
      button: "Void the invoice",
      confirm: "Void the invoice",
      done: "The invoice is void.",
    });
    await page.getByRole("link", { name: "October 2026" }).click();
    await page.getByRole("table", { name: "Usage that is on no invoice yet" }).getByText("€5.00").waitFor();
    await make(page, {
      button: "Invoice Acme Berlin",
      filling: { Memo: "As agreed" },
      confirm: "Make the invoice",
      done: "The invoice of Acme Berlin stands.",
    });
    const made = page.getByRole("table", { name: "Invoices of this period" });
    await made.getByRole("row").filter({ hasText: "Computed" }).getByRole("link", { name: "€5.00" }).click();
    await page.getByRole("heading", { level: 1, name: "Invoice of €5.00" }).waitFor();
    await make(page, {
      button: "Credit note",
      filling: { "Amount in EUR": "1.5", Reason: "The order changed", Memo: "Three too many" },
      confirm: "Make the credit note",
      done: "The credit note is made.",
    });
    await page
      .getByRole("table", { name: "Credit notes of this invoice" })
      .getByText("Three too many")
      .waitFor();
    await make(page, {
      button: "Issue",
      filling: { "Days until it is due": "14" },
      confirm: "Issue the invoice",
      done: "The invoice TEST-0001 is issued.",
    });
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByRole("heading", { level: 1, name: "TEST-0001 of €5.00" }).waitFor();
    await make(page, {
      button: "Link to the document",
      filling: { "Days for which it opens": "7" },
      confirm: "Make the link",
      done: "The link is made.",
    });
    const link = await page.getByRole("dialog").getByLabel("Send it to the payer").inputValue();
    await page.getByRole("dialog").getByRole("button", { name: "I have kept it" }).click();
    expect(await (await fetch(link)).text()).toContain("TEST-0001");
    await make(page, {
      button: "Mark as paid",
      filling: { Reference: "transfer 8731" },
      confirm: "Mark as paid",
      done: "The invoice is paid.",
    });
    await page.getByText("transfer 8731").waitFor();
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save as document" }).click();
    const document = await readFile(await (await download).path(), "utf8");
    expect(document).toContain("Acme Berlin");
    expect(document).toContain("Three too many");
  }

  async function invoiceAll(page: OpenConsole["page"]) {
    await make(page, {
      button: "Invoice all payers of October 2026",
      confirm: "Make the invoices",
      done: "1 invoice stands.",
    });
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  }
});

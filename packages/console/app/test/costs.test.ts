import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestApi, type TestApi } from "../../../server/test/support/api.ts";
import { embedded } from "../../../server/test/support/databases.ts";
import { makeLink, openConsole, pages, startBrowser } from "./browser.ts";
import { plainName } from "./names.ts";
import { seed } from "./seed.ts";

let browser: Browser;
let api: TestApi;
beforeAll(async () => {
  browser = await startBrowser();
  api = await startTestApi(embedded, { logLevel: "silent", consoleDirectory: pages });
});
afterAll(async () => {
  await browser?.close();
  await api?.close();
});

const inEuros = (amount: string) =>
  new Intl.NumberFormat("en-GB", { style: "currency", currency: "EUR" }).format(
    amount as Intl.StringNumericLiteral,
  );

it("the pages say what the period costs so far, in all and for one payer, as the API does", async () => {
  const { key } = await api.createAccount({ name: "Northwind Tools", currency: "eur" });
  const { customerId } = await seed(api, key, { customers: 8, eventsPerAgent: 60, name: plainName });
  const { data } = (await api.call("GET", "/api/v1/billing/preview?limit=100", { token: key })).body;
  expect(data).toHaveLength(8);
  const cents = data.reduce((sum: number, { total }: { total: string }) => sum + Number(total) * 100, 0);
  const { page, context, goTo, complaints } = await openConsole(browser, await makeLink(api, key));

  const figure = page.locator(".figures div").filter({ hasText: "Cost so far" }).locator("dd");
  await figure.getByText(inEuros((Math.round(cents) / 100).toFixed(2)), { exact: true }).waitFor();
  const top = page.getByRole("table", { name: "Payers with the highest cost so far" });
  const shown = await top.getByRole("row").allTextContents();
  const totals = data.map(({ total }: { total: string }) => total);
  const highest = totals.toSorted((a: string, b: string) => Number(b) - Number(a)).slice(0, 5);
  expect(shown.slice(1).map((row) => row.slice(row.indexOf("€")))).toEqual(highest.map(inEuros));

  await goTo(`/customers/${customerId}`);
  const own = data.find((one: { customerId: string }) => one.customerId === customerId);
  const section = page.getByRole("region", { name: "Cost so far" });
  await section.locator(".sum").getByText(inEuros(own.total), { exact: true }).waitFor();
  const byAgent = section.getByRole("table", { name: "Cost so far by agent" });
  await byAgent
    .getByRole("link", { name: plainName("Agent", 0) })
    .first()
    .waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

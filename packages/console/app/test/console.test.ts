import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestApi, type TestAccount, type TestApi } from "../../../server/test/support/api.ts";
import { embedded } from "../../../server/test/support/databases.ts";
import {
  accessibilityFaults,
  layoutFaults,
  makeLink,
  type OpenConsole,
  openConsole,
  pages,
  startBrowser,
} from "./browser.ts";
import { HOSTILE, hostileName, plainName } from "./names.ts";
import { addressesOf, type Seeded, seed } from "./seed.ts";

/** Directory into which pictures of all pages are written; none by default. */
const PICTURES = process.env["CONSOLE_PICTURES"];
const WIDTHS = [390, 820, 1440];

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

const newAccount = () =>
  api.createAccount({ name: "Northwind Tools", currency: "eur", timeZone: "Europe/Berlin" });

const AMOUNTS = {
  nothing: null,
  "one of each": { customers: 1, eventsPerAgent: 1, name: plainName },
  many: { customers: 60, eventsPerAgent: 200, name: plainName },
  "hostile names": { customers: HOSTILE.length, eventsPerAgent: 12, name: hostileName },
};

describe.each(Object.entries(AMOUNTS))("with %s,", (what, amount) => {
  let open: OpenConsole;
  let account: TestAccount;
  let seeded: Seeded | null = null;
  beforeAll(async () => {
    account = await newAccount();
    if (amount !== null) seeded = await seed(api, account.key, amount);
    open = await openConsole(browser, await makeLink(api, account.key));
  });
  afterAll(() => open?.context.close());

  // Without anything there are the lists alone.
  const names = addressesOf(
    amount === null
      ? null
      : { customerId: "", agentId: "", meterId: "", periodId: "", invoiceId: "", issuedInvoiceId: "" },
  );
  it.each(names.map(([name]) => name))("%s opens at every width without a fault", async (name) => {
    const [, address = ""] = addressesOf(seeded).find(([one]) => one === name) ?? [];
    open.complaints.length = 0;
    await open.goTo(address);
    for (const width of WIDTHS) {
      await open.page.setViewportSize({ width, height: 900 });
      expect({ width, faults: await layoutFaults(open.page) }).toEqual({ width, faults: [] });
      for (const scheme of ["light", "dark"] as const) {
        await open.page.emulateMedia({ colorScheme: scheme });
        expect({ width, scheme, faults: await accessibilityFaults(open.page) }).toEqual({
          width,
          scheme,
          faults: [],
        });
        await picture(what, `${name}-${width}-${scheme}`);
      }
    }
    expect(await open.page.locator("img, b, main script").count()).toBe(0);
    expect(open.complaints).toEqual([]);
  });

  async function picture(folder: string, name: string): Promise<void> {
    if (PICTURES === undefined) return;
    const directory = join(PICTURES, folder.replaceAll(" ", "-"));
    mkdirSync(directory, { recursive: true });
    await open.page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
  }
});

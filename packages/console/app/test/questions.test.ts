import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestApi, type TestApi } from "../../../server/test/support/api.ts";
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
import { hostileName, plainName } from "./names.ts";
import { addressesOf, type Seeded, seed } from "./seed.ts";

/** Directory into which pictures of all questions are written; none by default. */
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

describe.each([
  ["plain names", plainName],
  ["hostile names", hostileName],
])("with %s, the questions", (what, name) => {
  let open: OpenConsole;
  let seeded: Seeded;
  let openPeriodId: string;
  beforeAll(async () => {
    const { key } = await api.createAccount({ name: "Northwind Tools", currency: "eur" });
    seeded = await seed(api, key, { customers: 3, eventsPerAgent: 12, name });
    const current = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
    openPeriodId = current.body.data.id;
    open = await openConsole(browser, await makeLink(api, key));
  });
  afterAll(() => open?.context.close());

  const names = ["customers", "agents", "meters", "events", "webhooks", "keys", "customer", "agent", "meter"];
  it.each([...names, "period", "invoice", "open period"])(
    "of the page %s open at every width without a fault",
    async (page) => {
      const address =
        page === "open period"
          ? `/periods/${openPeriodId}`
          : (addressesOf(seeded).find(([one]) => one === page)?.[1] ?? "");
      open.complaints.length = 0;
      await open.page.setViewportSize({ width: 1440, height: 900 });
      await open.goTo(address);
      const buttons = open.page.getByRole("main").locator("button[aria-haspopup=dialog]");
      const words = await buttons.evaluateAll((all) => all.map((one) => one.firstChild?.textContent ?? ""));
      expect(words.length).toBeGreaterThan(0);
      // One of each kind.
      for (const word of new Set(words)) {
        await buttons.nth(words.indexOf(word)).click();
        await look(`${page}-${word}`);
        await open.page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
        await open.page.getByRole("dialog").waitFor({ state: "detached" });
        await open.page.setViewportSize({ width: 1440, height: 900 });
      }
      expect(open.complaints).toEqual([]);
    },
  );

  async function look(question: string): Promise<void> {
    const dialog = open.page.getByRole("dialog");
    await dialog.waitFor();
    await dialog.getByText("Loading").first().waitFor({ state: "detached" });
    for (const width of WIDTHS) {
      await open.page.setViewportSize({ width, height: 900 });
      expect({ question, width, faults: await layoutFaults(open.page) }).toEqual({
        question,
        width,
        faults: [],
      });
      for (const scheme of ["light", "dark"] as const) {
        await open.page.emulateMedia({ colorScheme: scheme });
        // What is looked at depends on the colours, and not on the width of a dialog.
        const faults = width === WIDTHS[0] ? await accessibilityFaults(open.page) : [];
        expect({ question, width, scheme, faults }).toEqual({ question, width, scheme, faults: [] });
        await picture(`${question}-${width}-${scheme}`);
      }
    }
  }

  async function picture(name: string): Promise<void> {
    if (PICTURES === undefined) return;
    const directory = join(PICTURES, `questions-${what.replaceAll(" ", "-")}`);
    mkdirSync(directory, { recursive: true });
    await open.page.screenshot({ path: join(directory, `${name.replaceAll(" ", "-")}.png`) });
  }
});

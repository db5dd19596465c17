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

/** Every question, by the page that asks it; those that are asked twice in the same way, once. */
const QUESTIONS = [
  ["customers", "Create customer"],
  ["customer", "Edit"],
  ["customer", "Set budget"],
  ["customer", "Set own price"],
  ["customer", "Set discount"],
  ["customer", "End discount"],
  ["customer", "Set minimum"],
  ["customer", "End minimum"],
  ["agents", "Create agent"],
  ["agent", "Edit"],
  ["agent", "Suspend"],
  ["agent", "Correct usage"],
  ["agent", "Issue token"],
  ["agent", "Rotate"],
  ["agent", "Revoke"],
  ["agent", "Remove"],
  ["meters", "Create meter"],
  ["meter", "Edit"],
  ["meter", "Set price"],
  ["events", "Refund"],
  ["open period", "Close"],
  ["uninvoiced period", "Invoice all"],
  ["uninvoiced period", "Invoice (?!all)"],
  ["invoice", "Issue"],
  ["issued invoice", "Mark as paid"],
  ["issued invoice", "Link"],
  ["invoice", "Credit note"],
  ["invoice", "Void"],
  ["webhooks", "Add webhook"],
  ["webhooks", "Edit"],
  ["webhooks", "Switch off"],
  ["webhooks", "Remove"],
  ["keys", "Create key"],
  ["keys", "Revoke"],
] as const;

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
  let addresses: readonly (readonly [string, string])[];
  beforeAll(async () => {
    const { key } = await api.createAccount({ name: "Northwind Tools", currency: "eur" });
    const seeded = await seed(api, key, { customers: 3, eventsPerAgent: 12, name });
    const current = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
    addresses = [
      ...addressesOf(seeded),
      ["open period", `/periods/${current.body.data.id}`],
      ["uninvoiced period", `/periods/${await unbilledPeriod(key, seeded)}`],
    ];
    open = await openConsole(browser, await makeLink(api, key));
  });
  afterAll(() => open?.context.close());

  it.each(QUESTIONS)("of the page %s: %s opens at every width without a fault", async (page, question) => {
    const address = new Map<string, string>(addresses).get(page) ?? "";
    open.complaints.length = 0;
    await open.goTo(address);
    const buttons = open.page.getByRole("main").locator("button[aria-haspopup=dialog]");
    await buttons
      .filter({ hasText: new RegExp(`^${question}`) })
      .first()
      .click();
    await look(`${page}-${question}`);
    await open.page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    await open.page.getByRole("dialog").waitFor({ state: "detached" });
    expect(open.complaints).toEqual([]);
  });

  /** Voids one invoice, so that its payer owes something again, and another stays. */
  async function unbilledPeriod(key: string, { invoiceId, periodId }: Seeded): Promise<string> {
    const path = `/api/v1/billing/invoices?periodId=${periodId}`;
    const { data } = (await api.call("GET", path, { token: key })).body;
    const other = data.find(
      ({ id, number }: { id: string; number: string | null }) => id !== invoiceId && number === null,
    );
    await api.call("POST", `/api/v1/billing/invoices/${other.id}/void`, { token: key });
    return periodId;
  }

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
    await open.page.screenshot({ path: join(directory, `${name.replaceAll(/\W+/g, "-")}.png`) });
  }
});

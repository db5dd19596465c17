import type { Browser } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  createAuthorizedAgent,
  startTestApi,
  type TestAccount,
  type TestApi,
} from "../../../server/test/support/api.ts";
import { embedded } from "../../../server/test/support/databases.ts";
import { makeLink, openConsole, pages, settled, startBrowser } from "./browser.ts";

/** Bytes of the first view as they come over the wire. */
const LARGEST_FIRST_VIEW = 200_000;

let browser: Browser;
let api: TestApi;
let account: TestAccount;
beforeAll(async () => {
  browser = await startBrowser();
  api = await startTestApi(embedded, { logLevel: "silent", consoleDirectory: pages });
});
beforeEach(async () => {
  account = await api.createAccount({ name: "Northwind Tools" });
});
afterAll(async () => {
  await browser?.close();
  await api?.close();
});

const linkFor = (key: string, body: object = {}) => makeLink(api, key, body);

const open = async (body: object = {}, key = account.key) => openConsole(browser, await linkFor(key, body));

describe("the sign-in", () => {
  it("takes the code out of the address, and keeps its key in the tab's memory alone", async () => {
    const { page, context, complaints } = await open();
    expect(new URL(page.url()).hash).toBe("");
    expect(await context.cookies()).toEqual([]);
    const kept = await page.evaluate(() => [localStorage.length, JSON.stringify(sessionStorage)]);
    expect(JSON.stringify(kept)).not.toContain("lk_");
    expect(complaints).toEqual([]);
    await page.reload();
    await page.getByRole("heading", { name: "Open the console" }).waitFor();
    await context.close();
  });

  it("says in words that a link was used, and takes another one that is pasted", async () => {
    const link = await linkFor(account.key);
    const first = await openConsole(browser, link);
    await first.context.close();
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(link);
    await page.getByRole("alert").getByText("was used").waitFor();
    await page.getByLabel("Or paste the link here").fill(await linkFor(account.key));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    await context.close();
  });

  it("shows to a role what it may read, and no way to the rest", async () => {
    const { page, context, complaints, goTo } = await open({ role: "finance" });
    const names = await page
      .getByRole("navigation", { name: "Pages of the console" })
      .getByRole("link")
      .allTextContents();
    expect(names).toContain("Invoices");
    expect(names).not.toContain("Keys");
    await goTo("/customers");
    await goTo("/health");
    expect(complaints).toEqual([]);
    await context.close();
  });

  it("stays what it is where another link is followed", async () => {
    const other = await api.createAccount({ name: "Somebody else" });
    const { page, context } = await open();
    const link = await linkFor(other.key);
    await page.evaluate((hash) => {
      window.location.hash = hash;
    }, new URL(link).hash);
    await page.waitForFunction(() => window.location.hash === "");
    await settled(page);
    expect(await page.getByText("Northwind Tools").first().isVisible()).toBe(true);
    expect(await page.getByText("Somebody else").count()).toBe(0);
    // Its code was not used.
    const code = new URL(link).hash.replace("#code=", "");
    expect((await api.call("POST", "/api/v1/console/keys", { token: code })).status).toBe(201);
    await context.close();
  });

  it("ends where the key is revoked, and says so", async () => {
    const { page, context, goTo } = await open();
    const { data } = (await api.call("GET", "/api/v1/keys", { token: account.key })).body;
    const own = data.find(({ name }: { name: string }) => name === "Console");
    await api.call("POST", `/api/v1/keys/${own.id}/revoke`, { token: account.key });
    await goTo("/agents").catch(() => undefined);
    await page.getByRole("alert").getByText("has ended or was revoked").waitFor();
    await context.close();
  });

  it("revokes its key as somebody signs out", async () => {
    const { page, context } = await open();
    await page.getByRole("button", { name: /^Test.*Session menu$/ }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByText("You are signed out.").waitFor();
    const { data } = (await api.call("GET", "/api/v1/keys", { token: account.key })).body;
    expect(data[0]).toMatchObject({ name: "Console", revokedAt: expect.any(String) });
    await context.close();
  });
});

describe("the pages", () => {
  it("come in less than 200 kB", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const sizes: Promise<number>[] = [];
    page.on("requestfinished", (request) => {
      if (!request.url().includes("/api/")) {
        sizes.push(request.sizes().then(({ responseBodySize }) => responseBodySize));
      }
    });
    await page.goto(await linkFor(account.key));
    await settled(page);
    const all = await Promise.all(sizes);
    const total = all.reduce((sum, size) => sum + size, 0);
    expect(all.length).toBeGreaterThan(3);
    expect(total).toBeGreaterThan(50_000);
    expect(total).toBeLessThan(LARGEST_FIRST_VIEW);
    await context.close();
  });

  it("show a call as it comes, without a reload", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, account.key);
    const { page, context, goTo } = await open();
    await goTo(`/events?agentId=${agentId}`);
    await page.getByText("No event matches.").waitFor();
    await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls", quantity: 7 } });
    await page.getByRole("cell", { name: "7", exact: true }).waitFor();
    expect(
      await page.getByRole("table", { name: "Events" }).getByRole("link", { name: "Test agent" }).count(),
    ).toBe(1);
    await context.close();
  });

  it("go through a list page by page, and back", async () => {
    for (let index = 0; index < 30; index += 1) {
      await api.call("POST", "/api/v1/agents", { token: account.key, body: { name: `Agent ${index}` } });
    }
    const { page, context, goTo } = await open();
    await goTo("/agents");
    const shown = page.getByRole("table", { name: "Agents" }).getByRole("link");
    await page.getByRole("link", { name: "Agent 29", exact: true }).waitFor();
    expect(await shown.count()).toBe(25);
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByRole("link", { name: "Agent 0", exact: true }).waitFor();
    expect(await shown.count()).toBe(5);
    expect(await page.getByRole("button", { name: "Next" }).isDisabled()).toBe(true);
    await page.getByRole("button", { name: "Previous" }).click();
    await page.getByRole("link", { name: "Agent 29", exact: true }).waitFor();
    await context.close();
  });

  it("say in words what is not there, with the request's id", async () => {
    const { page, context, goTo } = await open();
    await goTo("/nowhere");
    await page.getByRole("heading", { name: "There is no such page" }).waitFor();
    await page.evaluate(() => {
      window.history.pushState({}, "", "/console/customers/01890a5d-ac96-774b-bcce-b302099a8057");
      window.dispatchEvent(new PopStateEvent("popstate"));
    });
    await page.getByRole("alert").getByText("No customer has the id").waitFor();
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Customer");
    expect(await page.getByRole("alert").locator("code").textContent()).toMatch(/^[0-9A-Z]{26}$/);
    await context.close();
  });

  it("are reached and left with the keyboard alone", async () => {
    const { page, context } = await open();
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to the page");
    await page.getByRole("link", { name: "Customers", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Customers" }).waitFor();
    await page.waitForFunction(() => document.activeElement?.id === "main");
    await page.setViewportSize({ width: 390, height: 800 });
    await page.getByRole("button", { name: "Menu", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Menu");
    await context.close();
  });

  it("keep test and live data apart, and say which is shown", async () => {
    await api.call("POST", "/api/v1/agents", { token: account.key, body: { name: "Of test" } });
    await api.call("POST", "/api/v1/agents", { token: account.liveKey, body: { name: "Of live" } });
    const { page, context, goTo } = await open();
    await goTo("/agents");
    await page.getByText("Nothing here is charged.").waitFor();
    await page.getByRole("link", { name: "Of test" }).waitFor();
    await page.getByRole("button", { name: /^Test.*Session menu$/ }).click();
    await page.getByRole("menuitem", { name: "Show live data" }).click();
    await page.getByLabel("Or paste the link here").fill(await linkFor(account.liveKey));
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "Of live" }).waitFor();
    expect(await page.getByText("Nothing here is charged.").count()).toBe(0);
    expect(await page.getByRole("link", { name: "Of test" }).count()).toBe(0);
    await page.getByRole("button", { name: /^Live.*Session menu$/ }).click();
    await page.getByRole("menuitem", { name: "Show test data" }).click();
    await page.getByRole("link", { name: "Of test" }).waitFor();
    await context.close();
  });

  it("run no script that is put into them", async () => {
    const { page, context } = await open();
    const ran = await page.evaluate(() => {
      const script = document.createElement("script");
      try {
        script.textContent = "window.ran = true";
        document.head.append(script);
      } catch {
        return "refused";
      }
      return "ran" in window ? "ran" : "refused";
    });
    expect(ran).toBe("refused");
    await context.close();
  });
});

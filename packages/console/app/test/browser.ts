import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import type { TestApi } from "../../../server/test/support/api.ts";

/** Debian's Chromium, or the one that the environment names. */
const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** Directory of the built pages. */
export const pages = fileURLToPath(new URL("../../pages/", import.meta.url));

/** Makes a link that opens the console, once. */
export async function makeLink(api: TestApi, key: string, body: object = {}): Promise<string> {
  const made = await api.call("POST", "/api/v1/console/codes", { token: key, body });
  return `${api.url}/console#code=${made.body.data.code}`;
}

/** Starts the real browser, which asks nobody but the server of the test. */
export async function startBrowser(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) {
    throw new Error(
      `There is no Chromium at ${CHROMIUM}. Install it (apt-get install chromium), or set CHROMIUM.`,
    );
  }
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A console that is signed in, and what its browser complained of. */
export interface OpenConsole {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of scripts, of the policy and of requests, since the console was opened. */
  readonly complaints: string[];
  /** Goes to an address within the console, as a link would, and waits until all of it is there. */
  goTo(path: string): Promise<void>;
}

/** Opens the console by a one-time link, on a machine whose clock may stand at another moment. */
export async function openConsole(
  browser: Browser,
  link: string,
  { now, ...options }: BrowserContextOptions & { readonly now?: string } = {},
): Promise<OpenConsole> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    locale: "en-GB",
    timezoneId: "America/New_York",
    ...options,
  });
  if (now !== undefined) await context.clock.setFixedTime(now);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(link);
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  return {
    page,
    context,
    complaints,
    goTo: async (path) => {
      await page.evaluate((to) => {
        window.history.pushState({}, "", to);
        window.dispatchEvent(new PopStateEvent("popstate"));
      }, `/console${path}`);
      await page.waitForFunction(
        (to) => document.querySelector("h1") && location.pathname === to,
        `/console${path}`.split("?")[0] ?? "",
      );
      await settled(page);
    },
  };
}

/** Waits until nothing is on its way. */
export async function settled(page: Page): Promise<void> {
  await page.locator("h1").first().waitFor();
  await page.waitForLoadState("networkidle");
  await page.locator(".loading").first().waitFor({ state: "detached" });
}

/** Faults that axe-core finds in a page, one line each. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html.slice(0, 200)} ${failureSummary ?? ""}`),
  );
}

/** The elements that are wider than the screen, and names that nobody can see; none where a page is laid out well. */
export function layoutFaults(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const unseen = [...document.querySelectorAll("main .name, main .code")].filter(
      (element) => element.getBoundingClientRect().width < 8,
    );
    const wide = [...document.querySelectorAll("body *")].filter(
      (element) =>
        document.documentElement.scrollWidth > width && element.getBoundingClientRect().right > width + 1,
    );
    return [...unseen, ...wide].map(
      (element) => `${element.tagName}.${element.className}: ${element.textContent?.slice(0, 60)}`,
    );
  });
}

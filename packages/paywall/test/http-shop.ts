import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach } from "vitest";
import { buildPaywall, type Paywall } from "../src/create-paywall.ts";
import { buildCore } from "../src/paywall-core.ts";
import { createTestLedger, type TestLedger } from "../src/testing.ts";

export const SUCCESS = { meterName: "pages", charge: "success", quantity: 5 } as const;
export const RESERVE = { meterName: "pages", charge: "reserve", quantity: 5 } as const;

/** What a request of a test may have. */
export type TestRequest = RequestInit & { headers?: Record<string, string> };

/** A paywall over a ledger, new for each test, and the servers of the test. */
export interface TestShop {
  ledger: TestLedger;
  paywall: Paywall;
  /** The token of an agent. */
  token: string;
  /** Runs after the test. */
  closings: (() => Promise<unknown>)[];
}

function openShop(): TestShop {
  const ledger = createTestLedger();
  const paywall = buildPaywall({}, buildCore({}, ledger.gateway));
  return { ledger, paywall, token: ledger.authorize("agt_1"), closings: [] };
}

export const shop: TestShop = openShop();

/** Makes the shop new for each test of a file. */
export function useShop(): void {
  beforeEach(() => {
    Object.assign(shop, openShop());
  });
  afterEach(async () => {
    for (const close of shop.closings) await close();
  });
}

/** What was billed, and what is held. */
export const books = () => [shop.ledger.usage.map(({ quantity }) => quantity), shop.ledger.reserved()];

/** Serves a listener; returns the URL of `/report`. */
export async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  shop.closings.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/report`;
}

/** What a request is sent with: the agent's token besides. */
export function signed(init: TestRequest = {}): RequestInit {
  return { ...init, headers: { authorization: `Bearer ${shop.token}`, ...init.headers } };
}

/** Sends a request of the agent's. */
export const call = (url: string, init: TestRequest = {}) =>
  fetch(url, { redirect: "manual", signal: AbortSignal.timeout(4_000), ...signed(init) });

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWebhookAgent, isPublicAddress } from "./public-address.ts";

describe("isPublicAddress", () => {
  it.each(["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111"])("takes %s", (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });
  it.each([
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "fc00::1",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "localhost",
    "",
  ])("refuses %s", (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});

describe("createWebhookAgent", () => {
  let port = 0;
  let hits = 0;
  const server = createServer((_, response) => {
    hits += 1;
    response.end();
  });
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => server.close());

  /** A resolver whose answer an attacker chooses anew each time. */
  const resolver = (answers: string[][]) =>
    ((_: string, __: unknown, done: (error: null, addresses: { address: string; family: 4 }[]) => void) => {
      done(
        null,
        (answers.shift() ?? []).map((address) => ({ address, family: 4 })),
      );
    }) as unknown as NonNullable<Parameters<typeof createWebhookAgent>[0]["resolve"]>;

  it("checks the address that it connects to, so a name that is bound again gets nowhere", async () => {
    const dispatcher = createWebhookAgent({
      allowPrivate: false,
      resolve: resolver([["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], []]),
    });
    for (const _ of [1, 2, 3]) {
      await expect(request(`http://rebound.example:${port}/`, { dispatcher })).rejects.toThrow(
        /not on the public/,
      );
    }
    expect(hits).toBe(0);
    await dispatcher.close();
  });

  it("connects to a private address where that is allowed", async () => {
    const dispatcher = createWebhookAgent({ allowPrivate: true, resolve: resolver([["127.0.0.1"]]) });
    const { statusCode, body } = await request(`http://own.example:${port}/`, { dispatcher });
    await body.dump();
    expect(statusCode).toBe(200);
    await dispatcher.close();
  });
});

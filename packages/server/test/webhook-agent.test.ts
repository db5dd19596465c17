import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWebhookAgent } from "../src/webhooks/public-address.ts";

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

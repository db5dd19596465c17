import { Webhook } from "standardwebhooks";
import { v7 as uuidv7 } from "uuid";
import { expect, it } from "vitest";
import { listWebhooksOfEarlierKeys, rotateWebhookSecret } from "../src/webhooks/rotate-secret.ts";
import { closeCurrentPeriod, startTestApi } from "./support/api.ts";
import { embedded } from "./support/databases.ts";
import { type Received, startWebhookReceiver } from "./support/webhook-receiver.ts";

const OLD = "the-key-of-last-year-which-is-known";
const NEW = "the-key-of-this-year-which-is-not";

it("signs with both keys until each receiver has a secret of the new one, and loses nothing", async () => {
  const keys: { secretKey: string; previousSecretKey?: string } = { secretKey: OLD };
  // Read at each start.
  const settings = Object.assign(keys, {
    logLevel: "silent",
    allowPrivateWebhooks: true,
    backgroundInterval: 20,
  } as const);
  const receiver = await startWebhookReceiver();
  const api = await startTestApi(embedded, settings);
  const isSigned = (secret: string, { headers, body }: Received) => {
    try {
      new Webhook(secret).verify(body, headers);
      return true;
    } catch {
      return false;
    }
  };
  try {
    const { key } = await api.createAccount();
    const body = { url: receiver.url, events: ["period.closed"] };
    const { body: created } = await api.call("POST", "/api/v1/webhooks", { token: key, body });
    const { id, secret: before } = created.data;
    const next = async (): Promise<Received> => {
      receiver.received.length = 0;
      await closeCurrentPeriod(api, key);
      await expect.poll(() => receiver.received.length, { timeout: 20_000 }).toBeGreaterThan(0);
      const [first] = receiver.received;
      if (first === undefined) throw new Error("nothing was received");
      return first;
    };
    expect(isSigned(before, await next())).toBe(true);

    // The new key, with the old one beside it: receivers notice nothing.
    Object.assign(keys, { secretKey: NEW, previousSecretKey: OLD });
    await api.restart();
    expect(isSigned(before, await next())).toBe(true);
    expect(await listWebhooksOfEarlierKeys(api.db, NEW)).toEqual([{ id, url: receiver.url, mode: "test" }]);

    // Its receiver is given the new secret, and may begin with it at any time.
    const making = { newId: () => uuidv7(), now: new Date(), actor: "cli" } as const;
    expect(await rotateWebhookSecret(api.db, "no-webhook", NEW, making)).toBeNull();
    const rotated = await rotateWebhookSecret(api.db, id, NEW, making);
    const after = rotated?.secret ?? "";
    expect(after).toMatch(/^whsec_/);
    expect(after).not.toBe(before);
    const both = await next();
    expect([before, after].map((secret) => isSigned(secret, both))).toEqual([true, true]);
    expect(await listWebhooksOfEarlierKeys(api.db, NEW)).toEqual([]);
    const { body: audited } = await api.call("GET", `/api/v1/audit-events?resourceId=${id}`, { token: key });
    expect(audited.data[0]).toMatchObject({ actor: "cli", operation: "webhooks.rotateSecret" });

    // Without the old key.
    delete keys.previousSecretKey;
    await api.restart();
    const alone = await next();
    expect([before, after].map((secret) => isSigned(secret, alone))).toEqual([false, true]);
  } finally {
    receiver.close();
    await api.close();
  }
}, 120_000);

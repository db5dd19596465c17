import { createHash, createHmac, hkdfSync } from "node:crypto";

/** Signs what is sent to webhooks. */
export interface WebhookSigner {
  /** Names the server's secret key, so that a changed one is noticed. It tells nothing about the key. */
  readonly keyId: string;
  /** Returns true where messages are signed with the secrets that follow from the key of this name. */
  signsFor(keyId: string): boolean;
  /** The signing secret of one webhook, `whsec_…`. */
  secretOf(webhookId: string): string;
  /** The `webhook-signature` header (Standard Webhooks), which has one signature for each key. */
  sign(webhookId: string, message: { id: string; timestamp: number; body: string }): string;
}

const MIN_LENGTH = 16;

/**
 * Makes the signer out of the server's secret key. To sign, a secret must be known in full, and secrets are stored
 * only as hashes: so none is stored at all. Each webhook's is derived from the server's key and the webhook's id,
 * and whoever reads the database cannot sign.
 *
 * @param previousKey The key before, while receivers still have secrets that follow from it: each message is signed
 * with both.
 * @throws {RangeError} when a key is too short to be a secret.
 */
export function createWebhookSigner(secretKey: string, previousKey?: string): WebhookSigner {
  const key = createKey(secretKey, "LICENTRIC_SECRET_KEY");
  const keys = [key];
  if (previousKey !== undefined) keys.push(createKey(previousKey, "LICENTRIC_PREVIOUS_SECRET_KEY"));
  return {
    keyId: key.id,
    signsFor: (keyId) => keys.some(({ id }) => id === keyId),
    secretOf: (webhookId) => `whsec_${key.derive(webhookId).toString("base64")}`,
    sign: (webhookId, { id, timestamp, body }) =>
      keys
        .map(({ derive }) => createHmac("sha256", derive(webhookId)).update(`${id}.${timestamp}.${body}`))
        .map((signed) => `v1,${signed.digest("base64")}`)
        .join(" "),
  };
}

function createKey(secretKey: string, variable: string) {
  if (secretKey.length < MIN_LENGTH) {
    throw new RangeError(
      `${variable} is too short: it needs at least ${MIN_LENGTH} characters, for example of "openssl rand -base64 32".`,
    );
  }
  const derive = (webhookId: string) =>
    Buffer.from(hkdfSync("sha256", secretKey, webhookId, "licentric webhook signing", 32));
  return { derive, id: createHash("sha256").update(derive("key id")).digest("hex").slice(0, 16) };
}

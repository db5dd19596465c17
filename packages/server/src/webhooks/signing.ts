import { createHash, createHmac, hkdfSync } from "node:crypto";

/** Signs what is sent to webhooks. */
export interface WebhookSigner {
  /** Names the server's secret key, so that a changed one is noticed. It tells nothing about the key. */
  readonly keyId: string;
  /** The signing secret of one webhook, `whsec_…`. */
  secretOf(webhookId: string): string;
  /** The `webhook-signature` header (Standard Webhooks). */
  sign(webhookId: string, message: { id: string; timestamp: number; body: string }): string;
}

const MIN_LENGTH = 16;

/**
 * Makes the signer out of the server's secret key. To sign, a secret must be known in full, and secrets are stored
 * only as hashes: so none is stored at all. Each webhook's is derived from the server's key and the webhook's id,
 * and whoever reads the database cannot sign.
 *
 * @throws {RangeError} when the key is too short to be a secret.
 */
export function createWebhookSigner(secretKey: string): WebhookSigner {
  if (secretKey.length < MIN_LENGTH) {
    throw new RangeError(
      `LICENTRIC_SECRET_KEY is too short: it needs at least ${MIN_LENGTH} characters, for example of "openssl rand -base64 32".`,
    );
  }
  const derive = (webhookId: string) =>
    Buffer.from(hkdfSync("sha256", secretKey, webhookId, "licentric webhook signing", 32));
  return {
    keyId: createHash("sha256").update(derive("key id")).digest("hex").slice(0, 16),
    secretOf: (webhookId) => `whsec_${derive(webhookId).toString("base64")}`,
    sign: (webhookId, { id, timestamp, body }) => {
      const signed = createHmac("sha256", derive(webhookId)).update(`${id}.${timestamp}.${body}`);
      return `v1,${signed.digest("base64")}`;
    },
  };
}

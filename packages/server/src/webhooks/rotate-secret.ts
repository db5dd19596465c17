import type { Mode } from "@licentric/contract";
import type { Provisioning } from "../accounts/provision.ts";
import { recordSystemChange } from "../audit/audit-events.ts";
import { type Database, onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { createWebhookSigner } from "./signing.ts";

/** A webhook whose receiver may still have the secret of an earlier key of the server's. */
export interface WebhookOfEarlierKey {
  readonly id: string;
  readonly url: string;
  readonly mode: Mode;
}

/**
 * Lists the webhooks whose signing secrets follow from another key than this one: those whose receivers have not been
 * given a new secret since the server's key was changed.
 */
export async function listWebhooksOfEarlierKeys(
  db: Queryable,
  secretKey: string,
): Promise<WebhookOfEarlierKey[]> {
  return db.query<WebhookOfEarlierKey>(
    `SELECT w.id, w.url, e.mode FROM webhooks w JOIN environments e ON e.id = w.environment_id
     WHERE w.secret_key_id <> $1 ORDER BY w.id`,
    [createWebhookSigner(secretKey).keyId],
  );
}

/**
 * Gives a webhook the signing secret that follows from the server's present key, in the database itself. The secret is
 * in this answer only; the change is in the audit log.
 *
 * @returns null where there is no such webhook
 */
export function rotateWebhookSecret(
  db: Pick<Database, "transaction">,
  webhookId: string,
  secretKey: string,
  { actor = "program", ...making }: Provisioning,
): Promise<(WebhookOfEarlierKey & { readonly secret: string }) | null> {
  const signer = createWebhookSigner(secretKey);
  return db.transaction(async (tx) => {
    const rows = await tx.query<WebhookOfEarlierKey & { environment_id: string }>(
      `UPDATE webhooks w SET secret_key_id = $2, updated_at = $3 FROM environments e
       WHERE w.id = $1 AND e.id = w.environment_id RETURNING w.id, w.url, e.mode, w.environment_id`,
      [uuidParam(webhookId), signer.keyId, making.now],
    );
    if (rows.length === 0) return null;
    const { environment_id: environmentId, id, url, mode } = onlyRow(rows);
    const change = { environmentId, actor, operation: "webhooks.rotateSecret", resourceIds: [id] };
    await recordSystemChange(tx, change, making);
    return { id, url, mode, secret: signer.secretOf(id) };
  });
}

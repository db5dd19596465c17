import type { ListWebhookDeliveriesQuery, WebhookDelivery } from "@licentric/contract";
import type { z } from "zod";
import { ApiError, notFound } from "../http/api-error.ts";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import { type Queryable, uuidParam } from "../store/database.ts";
import { getWebhook } from "./webhooks.ts";

interface DeliveryRow {
  event_id: string;
  webhook_id: string;
  type: string;
  status: WebhookDelivery["status"];
  attempts: number;
  last_error: string | null;
  next_attempt_at: Date | null;
  delivered_at: Date | null;
  created_at: Date;
}

const STATUS = `CASE WHEN next_attempt_at IS NOT NULL THEN 'pending'
  WHEN delivered_at IS NOT NULL AND last_error IS NULL THEN 'delivered' ELSE 'failed' END`;

const COLUMNS = `event_id, webhook_id, body::json ->> 'type' AS type, ${STATUS} AS status, attempts, last_error,
  next_attempt_at, delivered_at, created_at`;

function toDelivery(row: DeliveryRow): WebhookDelivery {
  return {
    id: row.event_id,
    webhookId: row.webhook_id,
    type: row.type,
    status: row.status,
    attempts: row.attempts,
    lastError: row.last_error,
    nextAttemptAt: row.next_attempt_at?.toISOString() ?? null,
    deliveredAt: row.delivered_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  };
}

/** Lists what was sent to a webhook and what is on its way, newest first, for as long as it is kept. */
export async function listDeliveries(
  db: Queryable,
  environmentId: string,
  webhookId: string,
  query: z.output<typeof ListWebhookDeliveriesQuery>,
): Promise<Page<WebhookDelivery>> {
  const { id } = await getWebhook(db, environmentId, webhookId);
  const page = pageRequest(query);
  return readPage(
    page,
    (limit) =>
      db.query<DeliveryRow>(
        `SELECT ${COLUMNS} FROM webhook_deliveries
         WHERE environment_id = $1 AND webhook_id = $2 AND ($3::uuid IS NULL OR event_id < $3)
           AND ($4::text IS NULL OR ${STATUS} = $4)
         ORDER BY event_id DESC LIMIT $5`,
        [environmentId, id, page.cursor, query.status ?? null, limit],
      ),
    toDelivery,
  );
}

/**
 * Has an event sent to a webhook again, under the same id, with all its attempts before it. One that is on its way is sent
 * now.
 *
 * @throws {ApiError} `NOT_FOUND`, or `CONFLICT` where the webhook is disabled: nothing is sent to it.
 */
export async function resendDelivery(
  tx: Queryable,
  environmentId: string,
  { webhookId, deliveryId }: { readonly webhookId: string; readonly deliveryId: string },
  now: Date,
): Promise<WebhookDelivery> {
  const webhook = await getWebhook(tx, environmentId, webhookId);
  if (!webhook.enabled) {
    throw new ApiError("CONFLICT", "The webhook is disabled, so nothing is sent there. Enable it first.");
  }
  const [row] = await tx.query<DeliveryRow>(
    `UPDATE webhook_deliveries SET next_attempt_at = $4, attempts = 0
     WHERE environment_id = $1 AND webhook_id = $2 AND event_id = $3 RETURNING ${COLUMNS}`,
    [environmentId, webhook.id, uuidParam(deliveryId), now],
  );
  if (row === undefined) throw notFound("delivery", deliveryId);
  return toDelivery(row);
}

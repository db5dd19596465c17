import type { WEBHOOK_EVENTS } from "@licentric/contract";
import type { Queryable } from "../store/database.ts";

/** Type of an event that webhooks can be told of. */
export type WebhookEventName = (typeof WEBHOOK_EVENTS)[number];

/**
 * Tells every webhook of the environment that wants events of this type. It is to run in the transaction of the
 * change itself: what is told has happened, and what has happened is told, at least once. Sending comes later, from
 * the outbox.
 *
 * @param data is the resource that the event is about, as the API answers it; it must hold no secret.
 */
export async function enqueueWebhook(
  tx: Queryable,
  environmentId: string,
  type: WebhookEventName,
  data: object,
  { newId, now }: { readonly newId: () => string; readonly now: Date },
): Promise<void> {
  const id = newId();
  const body = JSON.stringify({ id, type, timestamp: now.toISOString(), data });
  await tx.query(
    `INSERT INTO webhook_deliveries (event_id, webhook_id, environment_id, body, next_attempt_at, created_at)
     SELECT $1, w.id, w.environment_id, $2, $3, $3 FROM webhooks w
     WHERE w.environment_id = $4 AND w.enabled AND $5 = ANY (w.events)`,
    [id, body, now, environmentId, type],
  );
}

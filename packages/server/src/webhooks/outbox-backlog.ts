import { onlyRow, type Queryable } from "../store/database.ts";

/** Deliveries that wait to be sent to webhooks. */
export interface OutboxBacklog {
  readonly deliveries: number;
  /** Age of the oldest delivery; 0 where there is none. */
  readonly oldestSeconds: number;
  /** Webhooks at which nothing arrives, or that were disabled for it. */
  readonly failing: number;
}

/** Reads what waits in the outboxes of all accounts. A disabled webhook waits for its owner, and not for the server. */
export async function readOutboxBacklog(db: Queryable, now: Date): Promise<OutboxBacklog> {
  const { deliveries, oldest, failing } = onlyRow(
    await db.query<{ deliveries: number; oldest: Date | null; failing: number }>(
      `SELECT count(*) AS deliveries, min(d.created_at) FILTER (WHERE w.enabled) AS oldest,
         (SELECT count(*) FROM webhooks WHERE failing_since IS NOT NULL) AS failing
       FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id WHERE d.next_attempt_at IS NOT NULL`,
    ),
  );
  const age = oldest === null ? 0 : now.getTime() - oldest.getTime();
  return { deliveries, oldestSeconds: Math.max(0, age / 1_000), failing };
}

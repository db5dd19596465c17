import type { BaseLogger } from "pino";
import { type Dispatcher, request } from "undici";
import type { RandomBytes } from "../accounts/secrets.ts";
import { recordSystemChange } from "../audit/audit-events.ts";
import type { Database } from "../store/database.ts";
import { version } from "../version.ts";
import { createWebhookAgent, requirePublicLiteral } from "./public-address.ts";
import type { WebhookSigner } from "./signing.ts";

/** Options for sending what is in the outbox. */
export interface DeliveryOptions {
  readonly db: Database;
  readonly now: () => Date;
  readonly newId: () => string;
  readonly randomBytes: RandomBytes;
  readonly signer: WebhookSigner;
  readonly allowPrivate: boolean;
  readonly log: Pick<BaseLogger, "error" | "warn">;
  /** Milliseconds for one attempt. 15000 by default. */
  readonly timeout?: number;
}

/** Sender of the deliveries in the outbox. */
export interface Delivery {
  /** Starts what is due and can be started now; resolves when it is started, not when it is sent. */
  poll(): Promise<void>;
  /** Waits for the attempts that are in flight. */
  close(): Promise<void>;
}

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

/** Milliseconds from each failed attempt to the next, as Standard Webhooks advises: 75 hours in all. */
const RETRY_DELAYS: readonly number[] = [
  5 * SECOND,
  300 * SECOND,
  0.5 * HOUR,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];
/** A webhook that has failed for this long, with nothing arriving in between, is disabled. */
const DISABLED_AFTER = 5 * 24 * HOUR;

const TIMEOUT = 15 * SECOND;
// Until then an attempt belongs to the process that took it; of one that died, another takes it then.
const LEASE = 60 * SECOND;
const AT_ONCE = 50;
const AT_ONCE_PER_WEBHOOK = 5;

interface Due {
  event_id: string;
  webhook_id: string;
  url: string;
  body: string;
  attempts: number;
  secret_key_id: string;
}

// `next_attempt_at` is moved to the end of the lease when an attempt is taken; rows that another process is taking
// are skipped. One slow webhook holds up its own deliveries and no other's.
const TAKE = `
WITH due AS (
  SELECT d.event_id, d.webhook_id, w.url, w.secret_key_id
  FROM webhooks w
  CROSS JOIN LATERAL (
    SELECT event_id, webhook_id FROM webhook_deliveries
    WHERE webhook_id = w.id AND next_attempt_at <= $1
    ORDER BY next_attempt_at LIMIT ${AT_ONCE_PER_WEBHOOK} FOR UPDATE SKIP LOCKED
  ) d
  WHERE w.enabled AND w.id <> ALL ($3::uuid[])
  LIMIT $4
)
UPDATE webhook_deliveries d SET next_attempt_at = $2, attempts = d.attempts + 1
FROM due WHERE d.event_id = due.event_id AND d.webhook_id = due.webhook_id
RETURNING d.event_id, d.webhook_id, due.url, d.body, d.attempts, due.secret_key_id`;

/**
 * Makes what sends from the outbox: signed by Standard Webhooks, at least once, with backoff. Several processes
 * share the work. No redirect is followed, and nothing of an answer is kept but its status.
 */
export function createDelivery({
  db,
  now,
  newId,
  randomBytes,
  signer,
  allowPrivate,
  log,
  timeout = TIMEOUT,
}: DeliveryOptions): Delivery {
  const agent = createWebhookAgent({ allowPrivate });
  const inFlight = new Map<Promise<void>, string>();

  const poll = async () => {
    const free = AT_ONCE - inFlight.size;
    if (free <= 0) return;
    const at = now();
    const busy = [...inFlight.values()];
    const full = [...new Set(busy)].filter(
      (id) => busy.filter((one) => one === id).length >= AT_ONCE_PER_WEBHOOK,
    );
    const due = await db.query<Due>(TAKE, [at, new Date(at.getTime() + LEASE), full, free]);
    for (const delivery of due) {
      const attempt = run(delivery)
        .catch((error: unknown) => log.error({ err: error }, "a webhook's outcome could not be written"))
        .finally(() => inFlight.delete(attempt));
      inFlight.set(attempt, delivery.webhook_id);
    }
  };

  const run = async (delivery: Due) => {
    const failure = await send(delivery);
    if (failure === null) await succeeded(delivery);
    else await failed(delivery, failure);
  };

  const send = async (delivery: Due): Promise<Failure | null> => {
    if (!signer.signsFor(delivery.secret_key_id)) {
      return {
        reason:
          "the server's secret key has changed: set LICENTRIC_PREVIOUS_SECRET_KEY, or rotate the webhook's secret",
        gone: false,
      };
    }
    try {
      if (!allowPrivate) requirePublicLiteral(new URL(delivery.url));
      const status = await post(agent, delivery, {
        signer,
        timestamp: Math.floor(now().getTime() / SECOND),
        timeout,
      });
      if (status >= 200 && status < 300) return null;
      return { reason: `it answered ${status}`, gone: status === 410 };
    } catch (error) {
      return { reason: error instanceof Error ? error.message : String(error), gone: false };
    }
  };

  const succeeded = (delivery: Due) =>
    db.transaction(async (tx) => {
      await tx.query(
        `UPDATE webhook_deliveries SET delivered_at = $3, next_attempt_at = NULL, last_error = NULL
         WHERE event_id = $1 AND webhook_id = $2`,
        [delivery.event_id, delivery.webhook_id, now()],
      );
      await tx.query("UPDATE webhooks SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL", [
        delivery.webhook_id,
      ]);
    });

  const failed = (delivery: Due, { reason, gone }: Failure) => {
    const at = now();
    const delay = RETRY_DELAYS[delivery.attempts - 1];
    const jitter = 1 + (randomBytes(1)[0] ?? 0) / 2_550;
    log.warn({ webhookId: delivery.webhook_id, attempt: delivery.attempts, reason }, "a webhook failed");
    return db.transaction(async (tx) => {
      await tx.query(
        "UPDATE webhook_deliveries SET next_attempt_at = $3, last_error = $4 WHERE event_id = $1 AND webhook_id = $2",
        [
          delivery.event_id,
          delivery.webhook_id,
          delay === undefined ? null : new Date(at.getTime() + delay * jitter),
          reason.slice(0, 500),
        ],
      );
      const [webhook] = await tx.query<{ environment_id: string; disabled_now: boolean }>(
        `UPDATE webhooks w SET failing_since = coalesce(w.failing_since, $2),
           enabled = w.enabled AND NOT ($3 OR coalesce(w.failing_since <= $4, false)),
           disabled_reason = CASE WHEN $3 OR w.failing_since <= $4 THEN $5 ELSE w.disabled_reason END
         FROM (SELECT id, enabled FROM webhooks WHERE id = $1 FOR UPDATE) before
         WHERE w.id = before.id
         RETURNING w.environment_id, before.enabled AND NOT w.enabled AS disabled_now`,
        [
          delivery.webhook_id,
          at,
          gone,
          new Date(at.getTime() - DISABLED_AFTER),
          gone
            ? "It answered 410 Gone."
            : `Nothing has arrived for five days; last, ${reason.slice(0, 400)}.`,
        ],
      );
      if (!webhook?.disabled_now) return;
      const operation = "webhooks.disable";
      const resourceIds = [delivery.webhook_id];
      await recordSystemChange(
        tx,
        { environmentId: webhook.environment_id, actor: "system", operation, resourceIds },
        { newId, now: at },
      );
    });
  };

  return {
    poll,
    close: async () => {
      await Promise.all(inFlight.keys());
      await agent.close();
    },
  };
}

interface Failure {
  readonly reason: string;
  readonly gone: boolean;
}

async function post(
  dispatcher: Dispatcher,
  { event_id: id, webhook_id: webhookId, url, body }: Due,
  { signer, timestamp, timeout }: { signer: WebhookSigner; timestamp: number; timeout: number },
): Promise<number> {
  const signal = AbortSignal.timeout(timeout);
  const answer = await request(url, {
    dispatcher,
    method: "POST",
    headers: {
      "content-type": "application/json",
      "user-agent": `licentric/${version}`,
      "webhook-id": id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": signer.sign(webhookId, { id, timestamp, body }),
    },
    body,
    signal,
  });
  await answer.body.dump({ limit: 16_384, signal });
  return answer.statusCode;
}

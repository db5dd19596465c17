import {
  type CreateWebhook,
  MAX_WEBHOOKS,
  type UpdateWebhook,
  WEBHOOK_EVENTS,
  type Webhook,
} from "@licentric/contract";
import type { z } from "zod";
import { ApiError, notFound } from "../http/api-error.ts";
import { type Page, type PageRequest, readPage } from "../http/page.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { PrivateAddressError, requirePublicLiteral } from "./public-address.ts";
import type { WebhookSigner } from "./signing.ts";

interface WebhookRow {
  id: string;
  url: string;
  events: Webhook["events"];
  enabled: boolean;
  disabled_reason: string | null;
  failing_since: Date | null;
  metadata: Webhook["metadata"];
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = "id, url, events, enabled, disabled_reason, failing_since, metadata, created_at, updated_at";

function toWebhook(row: WebhookRow): Webhook {
  return {
    id: row.id,
    url: row.url,
    events: row.events,
    enabled: row.enabled,
    disabledReason: row.disabled_reason,
    failingSince: row.failing_since?.toISOString() ?? null,
    metadata: row.metadata,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

/** Context for creating and changing webhooks. */
export interface WebhookMaking {
  readonly newId: () => string;
  readonly now: Date;
  /** null where the server has no secret key. */
  readonly signer: WebhookSigner | null;
  readonly allowPrivate: boolean;
}

/**
 * Creates a webhook. The signing secret is in this answer only.
 *
 * @throws {ApiError} `UNPROCESSABLE` when the server has no secret key, the URL is of a private address or has a
 * password in it, or there are 20 webhooks already.
 */
export async function createWebhook(
  tx: Queryable,
  environmentId: string,
  { url, events = [...WEBHOOK_EVENTS], metadata = {} }: z.output<typeof CreateWebhook>,
  { newId, now, signer, allowPrivate }: WebhookMaking,
): Promise<Webhook & { secret: string }> {
  if (signer === null) {
    throw new ApiError(
      "UNPROCESSABLE",
      "This server cannot sign webhooks: it has no secret key. Set LICENTRIC_SECRET_KEY and start it again.",
    );
  }
  checkUrl(url, allowPrivate);
  await tx.query("SELECT 1 FROM environments WHERE id = $1 FOR NO KEY UPDATE", [environmentId]);
  const { count } = onlyRow(
    await tx.query<{ count: number }>("SELECT count(*) FROM webhooks WHERE environment_id = $1", [
      environmentId,
    ]),
  );
  if (count >= MAX_WEBHOOKS) {
    throw new ApiError(
      "UNPROCESSABLE",
      `There are ${MAX_WEBHOOKS} webhooks already. Remove one that is not needed.`,
    );
  }
  const id = newId();
  const rows = await tx.query<WebhookRow>(
    `INSERT INTO webhooks
       (id, environment_id, url, events, enabled, secret_key_id, metadata, created_at, updated_at)
     VALUES ($1, $2, $3, $4, true, $5, $6::jsonb, $7, $7) RETURNING ${COLUMNS}`,
    [id, environmentId, url, [...new Set(events)], signer.keyId, JSON.stringify(metadata), now],
  );
  return { ...toWebhook(onlyRow(rows)), secret: signer.secretOf(id) };
}

function checkUrl(text: string, allowPrivate: boolean): void {
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw new ApiError(
      "UNPROCESSABLE",
      "The URL has a user name or password in it. Leave it out: what is sent is signed.",
    );
  }
  try {
    if (!allowPrivate) requirePublicLiteral(url);
  } catch (error) {
    if (error instanceof PrivateAddressError)
      throw new ApiError("UNPROCESSABLE", `In url, ${error.message}.`);
    throw error;
  }
}

/** Lists webhooks, newest first. */
export function listWebhooks(
  db: Queryable,
  environmentId: string,
  page: PageRequest,
): Promise<Page<Webhook>> {
  return readPage(
    page,
    (limit) =>
      db.query<WebhookRow>(
        `SELECT ${COLUMNS} FROM webhooks
         WHERE environment_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
        [environmentId, page.cursor, limit],
      ),
    toWebhook,
  );
}

/** Reads a webhook. */
export async function getWebhook(db: Queryable, environmentId: string, id: string): Promise<Webhook> {
  const rows = await db.query<WebhookRow>(
    `SELECT ${COLUMNS} FROM webhooks WHERE environment_id = $1 AND id = $2`,
    [environmentId, uuidParam(id)],
  );
  if (rows.length === 0) throw notFound("webhook", id);
  return toWebhook(onlyRow(rows));
}

/** Changes a webhook. Enabling it forgets that it failed, and what was waiting for it is sent. */
export async function updateWebhook(
  tx: Queryable,
  environmentId: string,
  id: string,
  change: z.output<typeof UpdateWebhook>,
  { now, allowPrivate }: Pick<WebhookMaking, "now" | "allowPrivate">,
): Promise<Webhook> {
  if (change.url !== undefined) checkUrl(change.url, allowPrivate);
  await tx.query(
    `UPDATE webhooks SET url = coalesce($3, url), events = coalesce($4::text[], events),
       enabled = coalesce($5, enabled), metadata = coalesce($6::jsonb, metadata), updated_at = $7,
       failing_since = CASE WHEN $5 THEN NULL ELSE failing_since END,
       disabled_reason = CASE WHEN $5 THEN NULL ELSE disabled_reason END
     WHERE environment_id = $1 AND id = $2`,
    [
      environmentId,
      uuidParam(id),
      change.url ?? null,
      change.events === undefined ? null : [...new Set(change.events)],
      change.enabled ?? null,
      change.metadata === undefined ? null : JSON.stringify(change.metadata),
      now,
    ],
  );
  return getWebhook(tx, environmentId, id);
}

/** Removes a webhook with everything that still waits for it. */
export async function deleteWebhook(tx: Queryable, environmentId: string, id: string): Promise<Webhook> {
  const webhook = await getWebhook(tx, environmentId, id);
  await tx.query("DELETE FROM webhooks WHERE environment_id = $1 AND id = $2", [environmentId, webhook.id]);
  return webhook;
}

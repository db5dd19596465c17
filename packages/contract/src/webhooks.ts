import * as z from "zod";
import { PageQuery } from "./envelope.ts";
import { MAX_URL_LENGTH } from "./limits.ts";
import { Id, Metadata, storable, Timestamp } from "./primitives.ts";

/** The types of event that a webhook can report. */
export const WEBHOOK_EVENTS = [
  "budget.warning",
  "budget.exceeded",
  "period.closed",
  "invoice.created",
  "invoice.paid",
] as const;

/** A type of event that a webhook can report. */
export const WebhookEventType = z.enum(WEBHOOK_EVENTS);

/** An endpoint that events are sent to. */
export const Webhook = z.object({
  id: Id,
  url: z.url(),
  events: z.array(WebhookEventType),
  enabled: z.boolean(),
  disabledReason: z
    .string()
    .nullable()
    .optional()
    .meta({ description: "Why deliveries were stopped; null where they were not." }),
  failingSince: Timestamp.nullable().optional().meta({
    description: "Since when every delivery has failed; null where the last one arrived.",
  }),
  metadata: Metadata,
  createdAt: Timestamp,
  updatedAt: Timestamp,
});

/** An endpoint that events are sent to. */
export type Webhook = z.infer<typeof Webhook>;

const url = storable(z.url({ protocol: /^https?$/ }).max(MAX_URL_LENGTH));

/** The body of `webhooks.create`. All events by default. */
export const CreateWebhook = z.strictObject({
  url,
  events: z.array(WebhookEventType).min(1).optional(),
  metadata: Metadata.optional(),
});

/**
 * The response of `webhooks.create`. `secret` signs what is sent (Standard Webhooks) and is shown this one
 * time.
 */
export const CreatedWebhook = Webhook.extend({ secret: z.string().startsWith("whsec_") });

/** The body of `webhooks.update`; a property left out stays as it is. */
export const UpdateWebhook = z.strictObject({
  url: url.optional(),
  events: z.array(WebhookEventType).min(1).optional(),
  enabled: z.boolean().optional(),
  metadata: Metadata.optional(),
});

/** One event, on its way to a webhook. */
export const WebhookDelivery = z.object({
  id: Id.meta({ description: "Id of the event, which is the `webhook-id` header of its requests." }),
  webhookId: Id,
  type: z.string().meta({ description: "Type of the event." }),
  status: z.enum(["pending", "delivered", "failed"]).meta({
    description:
      "`pending`: it is sent, or sent again, at `nextAttemptAt`; `failed`: it did not arrive, and is not sent again by itself.",
  }),
  attempts: z.int().min(0).meta({ description: "Requests so far, since it was last sent again by hand." }),
  lastError: z.string().nullable().meta({
    description: "Why the last request failed; null where none did, or it arrived since.",
  }),
  nextAttemptAt: Timestamp.nullable().meta({ description: "null: there is no further request." }),
  deliveredAt: Timestamp.nullable(),
  createdAt: Timestamp,
});

/** One event, on its way to a webhook. */
export type WebhookDelivery = z.infer<typeof WebhookDelivery>;

/** Query parameters of the list of a webhook's deliveries. */
export const ListWebhookDeliveriesQuery = PageQuery.extend({
  status: WebhookDelivery.shape.status.optional(),
});

/** The body of a webhook request. `data` is the resource that it is about. */
export const WebhookEvent = z.object({
  id: Id,
  type: z.string(),
  timestamp: Timestamp,
  data: z.record(z.string(), z.unknown()),
});

/** The body of a webhook request. */
export type WebhookEvent = z.infer<typeof WebhookEvent>;

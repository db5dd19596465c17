import * as z from "zod";
import { MAX_URL_LENGTH } from "./limits.ts";
import { Id, Metadata, storable, Timestamp } from "./primitives.ts";

/** What a webhook can tell. */
export const WEBHOOK_EVENTS = [
  "budget.warning",
  "budget.exceeded",
  "period.closed",
  "invoice.created",
  "invoice.paid",
] as const;

/** What a webhook can tell. */
export const WebhookEventType = z.enum(WEBHOOK_EVENTS);

/** Where events are sent. */
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

/** Where events are sent. */
export type Webhook = z.infer<typeof Webhook>;

const url = storable(z.url({ protocol: /^https?$/ }).max(MAX_URL_LENGTH));

/** What `webhooks.create` takes. All events by default. */
export const CreateWebhook = z.strictObject({
  url,
  events: z.array(WebhookEventType).min(1).optional(),
  metadata: Metadata.optional(),
});

/** What `webhooks.create` answers. `secret` signs what is sent (Standard Webhooks) and is shown this one time. */
export const CreatedWebhook = Webhook.extend({ secret: z.string().startsWith("whsec_") });

/** What `webhooks.update` takes: what is left out stays as it is. */
export const UpdateWebhook = z.strictObject({
  url: url.optional(),
  events: z.array(WebhookEventType).min(1).optional(),
  enabled: z.boolean().optional(),
  metadata: Metadata.optional(),
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

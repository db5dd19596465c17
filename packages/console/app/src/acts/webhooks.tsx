import type { Webhook, WebhookDelivery } from "@licentric/contract";
import { visible } from "../text.ts";
import type { Act, Field, Values } from "./act.ts";

type EventType = Webhook["events"][number];

const EVENTS: Readonly<Record<EventType, string>> = {
  "budget.warning": "A budget is nearly used up",
  "budget.exceeded": "A budget is used up",
  "period.closed": "A period is closed",
  "invoice.created": "An invoice is made",
  "invoice.paid": "An invoice is paid",
};

const NAMES = Object.keys(EVENTS) as EventType[];

const fieldsOf = (webhook?: Webhook): readonly Field[] => [
  {
    name: "url",
    label: "Address",
    kind: "url",
    required: true,
    initial: webhook?.url,
    hint: "For example https://example.com/hooks.",
  },
  ...NAMES.map(
    (name): Field => ({
      name,
      label: EVENTS[name],
      kind: "check",
      initial: webhook === undefined || webhook.events.includes(name) ? "on" : "",
    }),
  ),
];

const bodyOf = (values: Values) => ({
  url: values["url"],
  events: NAMES.filter((name) => values[name] === "on"),
});

const pathOf = ({ id }: Webhook) => `/api/v1/webhooks/${encodeURIComponent(id)}`;

/** Adds a webhook. */
export function createWebhook(): Act<{ data: { readonly secret: string } }> {
  return {
    name: "Add webhook",
    title: "Add a webhook",
    scope: "webhooks:write",
    says: (
      <p>
        The address is told of what you choose from now on, each time signed with a secret that is shown once.
      </p>
    ),
    fields: fieldsOf(),
    perform: (values, send) => send("POST", "/api/v1/webhooks", bodyOf(values)),
    done: "The webhook is added. This is its signing secret.",
    secret: ({ data }) => data.secret,
  };
}

/** Changes a webhook's address, and what it is told of. */
export function editWebhook(webhook: Webhook): Act {
  return {
    name: "Edit",
    of: webhook.url,
    title: "Edit the webhook",
    scope: "webhooks:write",
    confirm: "Save",
    says: <p>The signing secret stays the same.</p>,
    fields: fieldsOf(webhook),
    perform: (values, send) => send("PATCH", pathOf(webhook), bodyOf(values)),
    done: "The webhook is changed.",
  };
}

/** Switches a webhook off, or on again. */
export function switchWebhook(webhook: Webhook): Act {
  const { enabled, url } = webhook;
  return {
    name: enabled ? "Switch off" : "Switch on",
    of: url,
    title: enabled ? "Switch the webhook off" : "Switch the webhook on",
    scope: "webhooks:write",
    says: (
      <p>
        <bdi>{visible(url)}</bdi>{" "}
        {enabled ? "is told nothing until you switch it on again." : "is told again, from now on."}
      </p>
    ),
    perform: (_, send) => send("PATCH", pathOf(webhook), { enabled: !enabled }),
    done: enabled ? "The webhook is off." : "The webhook is on.",
  };
}

/** Removes a webhook. */
export function removeWebhook(webhook: Webhook): Act {
  return {
    name: "Remove",
    of: webhook.url,
    title: "Remove the webhook",
    scope: "webhooks:write",
    confirm: "Remove the webhook",
    grave: true,
    says: (
      <p>
        <bdi>{visible(webhook.url)}</bdi> is told nothing any more, and its secret is gone.
      </p>
    ),
    perform: (_, send) => send("DELETE", pathOf(webhook)),
    done: "The webhook is removed.",
  };
}

/** Sends an event again. */
export function resendDelivery(delivery: WebhookDelivery, webhook: Webhook): Act | false {
  if (!webhook.enabled) return false;
  return {
    name: "Send again",
    of: delivery.type,
    title: "Send the event again",
    scope: "webhooks:write",
    confirm: "Send it again",
    says: (
      <p>
        {delivery.status === "delivered"
          ? "It has arrived already. It is sent once more, under the same id, by which its receiver can tell."
          : "It is sent now, and again where that fails, as if it were new."}
      </p>
    ),
    perform: (_, send) =>
      send("POST", `${pathOf(webhook)}/deliveries/${encodeURIComponent(delivery.id)}/resend`),
    done: "The event is on its way.",
  };
}

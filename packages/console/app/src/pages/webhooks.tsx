import type { Webhook } from "@licentric/contract";
import { Link } from "@tanstack/react-router";
import { createWebhook, editWebhook, removeWebhook, switchWebhook } from "../acts/webhooks.tsx";
import { useList } from "../queries.ts";
import { Acts, useActsColumn } from "../ui/acts.tsx";
import { List } from "../ui/list-page.tsx";
import { Page } from "../ui/page.tsx";
import { Command, Empty } from "../ui/states.tsx";
import { Name, Time } from "../ui/values.tsx";
import { WebhookState } from "../ui/webhook-state.tsx";

/** All webhooks, and their state. */
export default function Webhooks() {
  const query = useList<Webhook>("/api/v1/webhooks", { limit: 100 });
  const acts = useActsColumn<Webhook>("webhooks:write", (webhook) => [
    editWebhook(webhook),
    switchWebhook(webhook),
    removeWebhook(webhook),
  ]);
  return (
    <Page
      title="Webhooks"
      lead="Addresses that are told of budgets, periods and invoices."
      beside={<Acts acts={[createWebhook()]} />}
    >
      <List
        query={query}
        label="Webhooks"
        rowKey={({ id }) => id}
        columns={[
          {
            head: "Address",
            wide: true,
            cell: ({ id, url }) => (
              <Link to="/webhooks/$webhookId" params={{ webhookId: id }}>
                <Name lines={2}>{url}</Name>
              </Link>
            ),
          },
          { head: "State", cell: (webhook) => <WebhookState webhook={webhook} /> },
          { head: "Events", cell: ({ events }) => <Name lines={3}>{events.join(", ")}</Name> },
          { head: "Created", cell: ({ createdAt }) => <Time at={createdAt} /> },
          ...acts,
        ]}
        empty={
          <Empty title="No webhooks yet.">
            <p>An address of yours can be told when a budget is used up or an invoice is paid:</p>
            <Command>npx licentric webhooks create https://example.com/hooks</Command>
          </Empty>
        }
      />
    </Page>
  );
}

import type { Webhook } from "@licentric/contract";
import { createWebhook, editWebhook, removeWebhook, switchWebhook } from "../acts/webhooks.tsx";
import { useList } from "../queries.ts";
import { Acts, useActsColumn } from "../ui/acts.tsx";
import { List } from "../ui/list-page.tsx";
import { Page } from "../ui/page.tsx";
import { Command, Empty } from "../ui/states.tsx";
import { Badge, Name, Time } from "../ui/values.tsx";

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
          { head: "Address", wide: true, cell: ({ url }) => <Name lines={2}>{url}</Name> },
          { head: "State", cell: (webhook) => <State webhook={webhook} /> },
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

function State({ webhook: { enabled, disabledReason, failingSince } }: { readonly webhook: Webhook }) {
  if (!enabled) {
    return (
      <span className="stack">
        <Badge tone="bad">Off</Badge>
        {disabledReason != null && <Name lines={3}>{disabledReason}</Name>}
      </span>
    );
  }
  if (failingSince == null) return <Badge tone="good">On</Badge>;
  return (
    <span className="stack">
      <Badge tone="warn">Failing</Badge>
      <span className="muted">
        since <Time at={failingSince} relative />
      </span>
    </span>
  );
}

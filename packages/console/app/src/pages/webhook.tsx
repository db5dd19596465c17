import type { Webhook, WebhookDelivery } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { editWebhook, resendDelivery, switchWebhook } from "../acts/webhooks.tsx";
import { useList, webhookQuery } from "../queries.ts";
import { Acts, useActsColumn } from "../ui/acts.tsx";
import { List } from "../ui/list-page.tsx";
import { Facts, Metadata, Page, Section } from "../ui/page.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Badge, Code, Name, None, Time, type Tone } from "../ui/values.tsx";
import { WebhookState } from "../ui/webhook-state.tsx";

const route = getRouteApi("/webhooks/$webhookId");

/** One webhook: where it leads, and what was sent there. */
export default function WebhookPage() {
  const { webhookId } = route.useParams();
  const query = useQuery(webhookQuery(webhookId));
  return (
    <Loaded
      query={query}
      frame={(content) => (
        <Page title="Webhook" above={<Link to="/webhooks">Webhooks</Link>}>
          {content}
        </Page>
      )}
    >
      {(webhook) => (
        <Page
          title="Webhook"
          above={<Link to="/webhooks">Webhooks</Link>}
          beside={<Acts acts={[editWebhook(webhook), switchWebhook(webhook)]} />}
        >
          <Facts
            facts={[
              [
                "Address",
                <Name key="url" lines={3}>
                  {webhook.url}
                </Name>,
              ],
              ["State", <WebhookState key="state" webhook={webhook} />],
              [
                "Events",
                <Name key="events" lines={3}>
                  {webhook.events.join(", ")}
                </Name>,
              ],
              ["Created", <Time key="created" at={webhook.createdAt} />],
              ["Id", <Code key="id">{webhook.id}</Code>],
            ]}
          />
          <Deliveries webhook={webhook} />
          <Metadata metadata={webhook.metadata} />
        </Page>
      )}
    </Loaded>
  );
}

const TONES: Readonly<Record<WebhookDelivery["status"], Tone>> = {
  pending: "warn",
  delivered: "good",
  failed: "bad",
};
const WORDS: Readonly<Record<WebhookDelivery["status"], string>> = {
  pending: "On its way",
  delivered: "Arrived",
  failed: "Given up",
};

function Deliveries({ webhook }: { readonly webhook: Webhook }) {
  const search = route.useSearch();
  const query = useList<WebhookDelivery>(`/api/v1/webhooks/${encodeURIComponent(webhook.id)}/deliveries`, {
    cursor: search.cursor,
  });
  const acts = useActsColumn<WebhookDelivery>("webhooks:write", (delivery) => [
    resendDelivery(delivery, webhook),
  ]);
  return (
    <Section title="Sent">
      <List
        query={query}
        label="Events of this webhook"
        search={search}
        rowKey={({ id }) => id}
        columns={[
          { head: "Event", cell: ({ type }) => <Name>{type}</Name> },
          { head: "State", cell: ({ status }) => <Badge tone={TONES[status]}>{WORDS[status]}</Badge> },
          { head: "Tries", align: "end", cell: ({ attempts }) => attempts },
          {
            head: "Last failure",
            wide: true,
            cell: ({ lastError }) => (lastError === null ? <None /> : <Name lines={2}>{lastError}</Name>),
          },
          { head: "Next try", cell: ({ nextAttemptAt }) => <Time at={nextAttemptAt} /> },
          { head: "Made", cell: ({ createdAt }) => <Time at={createdAt} /> },
          ...acts,
        ]}
        empty={<Empty title="Nothing was sent there yet.">What is told is kept here for 30 days.</Empty>}
      />
    </Section>
  );
}

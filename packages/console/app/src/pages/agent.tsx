import type { Adjustment, Agent, Credential } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { editAgent, issueToken, revokeToken, rotateToken, suspendAgent } from "../acts/agents.tsx";
import { adjustUsage } from "../acts/corrections.tsx";
import { signed } from "../format.ts";
import { agentQuery, useList, useMoneyAndTime } from "../queries.ts";
import { may, useSession } from "../session.ts";
import { Acts, useActsColumn } from "../ui/acts.tsx";
import { AgentBadge } from "../ui/agent-table.tsx";
import { Budgets } from "../ui/budgets.tsx";
import { List } from "../ui/list-page.tsx";
import { MeterName, PayerName, PeriodName } from "../ui/names.tsx";
import { Facts, Metadata, Page, Section } from "../ui/page.tsx";
import { Command, Empty, Loaded } from "../ui/states.tsx";
import { UsageChart } from "../ui/usage-chart.tsx";
import { Badge, Code, Name, None, Time, type Tone } from "../ui/values.tsx";

const route = getRouteApi("/agents/$agentId");

/** One agent: what it used, what it may use, and by which tokens. */
export default function AgentPage() {
  const { agentId } = route.useParams();
  const session = useSession();
  const query = useQuery(agentQuery(agentId));
  return (
    <Loaded
      query={query}
      frame={(content) => (
        <Page title="Agent" above={<Link to="/agents">Agents</Link>}>
          {content}
        </Page>
      )}
    >
      {(agent) => (
        <Page
          title={agent.name}
          above={<Link to="/agents">Agents</Link>}
          beside={
            <>
              <AgentBadge status={agent.status} />
              <Acts acts={[adjustUsage(agent), editAgent(agent), suspendAgent(agent)]} />
            </>
          }
        >
          <Facts
            facts={[
              ["Paid by", <PayerName key="payer" id={agent.customerId} />],
              ["Created", <Time key="created" at={agent.createdAt} />],
              ["Changed", <Time key="changed" at={agent.updatedAt} />],
              ["Events", <EventsLink key="events" agent={agent} />],
              ["Id", <Code key="id">{agent.id}</Code>],
            ]}
          />
          <UsageChart agentId={agentId} />
          {may(session, "budgets:read") && (
            <Budgets
              owner={{ agentId: agent.id }}
              name={agent.name}
              empty={
                <Empty title="It may use as much as it likes.">
                  <p>A budget limits what an agent uses of a meter, or what it spends.</p>
                </Empty>
              }
            />
          )}
          <Tokens agent={agent} />
          {may(session, "billing:read") && <Adjustments agent={agent} />}
          <Metadata metadata={agent.metadata} />
        </Page>
      )}
    </Loaded>
  );
}

function EventsLink({ agent }: { readonly agent: Agent }) {
  return (
    <Link to="/events" search={{ agentId: agent.id }}>
      Show its events
    </Link>
  );
}

const TOKEN_TONES: Readonly<Record<Credential["status"], Tone>> = {
  active: "good",
  expired: "neutral",
  revoked: "bad",
};

function Tokens({ agent }: { readonly agent: Agent }) {
  const path = `/api/v1/agents/${encodeURIComponent(agent.id)}/credentials`;
  const query = useList<Credential>(path);
  const { timeZone } = useMoneyAndTime();
  const acts = useActsColumn<Credential>("agents:write", (token) => [
    rotateToken(token, timeZone),
    revokeToken(token),
  ]);
  return (
    <Section title="Tokens" beside={<Acts acts={[issueToken(agent, timeZone)]} />}>
      <List
        query={query}
        label="Tokens of this agent"
        rowKey={({ id }) => id}
        columns={[
          {
            head: "Name",
            wide: true,
            cell: ({ name }) => (name === null ? <None>Without a name</None> : <Name>{name}</Name>),
          },
          { head: "Ends in", cell: ({ hint }) => <Code>{`…${hint}`}</Code> },
          { head: "Status", cell: ({ status }) => <Badge tone={TOKEN_TONES[status]}>{status}</Badge> },
          { head: "Scopes", cell: ({ scopes }) => <Name lines={2}>{scopes.join(", ")}</Name> },
          { head: "Expires", cell: ({ expiresAt }) => <Time at={expiresAt} /> },
          { head: "Last used", cell: ({ lastUsedAt }) => <LastUsed at={lastUsedAt} /> },
          ...acts,
        ]}
        empty={
          <Empty title="It has no token yet, and cannot call.">
            <Command>{`npx licentric authorize ${agent.id}`}</Command>
          </Empty>
        }
      />
      {query.data?.pagination.hasMore && <p className="muted small">The 25 newest are shown.</p>}
    </Section>
  );
}

function Adjustments({ agent }: { readonly agent: Agent }) {
  const query = useList<Adjustment>("/api/v1/billing/adjustments", { agentId: agent.id });
  if (query.data?.data.length === 0) return null;
  return (
    <Section title="Corrections">
      <List
        query={query}
        label="Corrections of this agent's usage"
        rowKey={({ id }) => id}
        columns={[
          { head: "When", cell: ({ createdAt }) => <Time at={createdAt} /> },
          { head: "Meter", cell: ({ meterName }) => <MeterName name={meterName} /> },
          { head: "Units", align: "end", cell: ({ quantity }) => signed(quantity) },
          { head: "Reason", wide: true, cell: ({ reason }) => <Name lines={2}>{reason}</Name> },
          { head: "Counts in", cell: ({ periodId }) => <PeriodName id={periodId} /> },
          { head: "Billed to", cell: ({ customerId }) => <PayerName id={customerId} /> },
        ]}
        empty={null}
      />
      {query.data?.pagination.hasMore && <p className="muted small">The 25 newest are shown.</p>}
    </Section>
  );
}

function LastUsed({ at }: { readonly at: string | null }) {
  return at === null ? <None>Never</None> : <Time at={at} relative />;
}

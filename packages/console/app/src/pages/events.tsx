import type { UsageEvent } from "@licentric/contract";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { refundEvent } from "../acts/corrections.tsx";
import { type Listed, withQuery } from "../api.ts";
import { whole } from "../format.ts";
import { metersQuery, PAGE, read } from "../queries.ts";
import { may, useSession } from "../session.ts";
import { useActsColumn } from "../ui/acts.tsx";
import { List } from "../ui/list-page.tsx";
import { AgentName, MeterName, PayerName } from "../ui/names.tsx";
import { Choice, Page } from "../ui/page.tsx";
import { Empty } from "../ui/states.tsx";
import { Name, None, Time } from "../ui/values.tsx";

const route = getRouteApi("/events");

const EVERY = 2_000;

/** All events, newest first, as they come. */
export default function Events() {
  const search = route.useSearch();
  const [paused, setPaused] = useState(false);
  const { cursor, meterName, agentId, customerId } = search;
  // Behind the first page nothing new comes.
  const live = cursor === undefined && !paused;
  const query = useQuery({
    ...read<Listed<UsageEvent>>(
      withQuery("/api/v1/usage/events", { limit: PAGE, cursor, meterName, agentId, customerId }),
    ),
    placeholderData: keepPreviousData,
    refetchInterval: live ? EVERY : false,
  });
  const acts = useActsColumn<UsageEvent>("billing:write", (event) => [refundEvent(event)]);
  const filtered = meterName !== undefined || agentId !== undefined || customerId !== undefined;
  return (
    <Page
      title="Events"
      lead="Each is one use, and on exactly one invoice."
      beside={
        cursor === undefined && (
          <button className="button" type="button" aria-pressed={!paused} onClick={() => setPaused(!paused)}>
            <span className={live ? "dot live" : "dot"} aria-hidden="true" /> {live ? "Live" : "Paused"}
          </button>
        )
      }
    >
      <Filters />
      <List
        query={query}
        label="Events"
        search={search}
        rowKey={({ id }) => id}
        columns={[
          { head: "When", cell: ({ timestamp }) => <Time at={timestamp} /> },
          { head: "Agent", wide: true, cell: (event) => <AgentName id={event.agentId} /> },
          { head: "Meter", cell: (event) => <MeterName name={event.meterName} /> },
          { head: "Quantity", align: "end", cell: ({ quantity }) => whole(quantity) },
          { head: "Note", cell: ({ metadata }) => <Note metadata={metadata} /> },
          ...acts,
        ]}
        empty={
          <Empty title={filtered ? "No event matches." : "No events yet."}>
            {filtered
              ? "Choose another meter, or show all."
              : "A paid call appears here by itself, without a reload."}
          </Empty>
        }
      />
    </Page>
  );
}

function Note({ metadata }: { readonly metadata: Readonly<Record<string, string>> }) {
  const entries = Object.entries(metadata).map(([name, value]) => `${name}: ${value}`);
  return entries.length === 0 ? <None /> : <Name lines={2}>{entries.join(", ")}</Name>;
}

function Filters() {
  const session = useSession();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const meters = useQuery({ ...metersQuery(), enabled: may(session, "meters:read") });
  const { agentId, customerId, meterName } = search;
  const without = (name: "agentId" | "customerId") =>
    void navigate({ search: { agentId, customerId, meterName, [name]: undefined } });
  return (
    <div className="filters">
      <Choice
        label="Meter"
        value={meterName ?? ""}
        options={[
          ["", "All meters"],
          ...(meters.data ?? []).map(({ name, displayName }) => [name, displayName] as const),
        ]}
        onChange={(value) =>
          void navigate({ search: { agentId, customerId, meterName: value || undefined } })
        }
      />
      {agentId !== undefined && (
        <span className="filter">
          Agent <AgentName id={agentId} />
          <button className="button small" type="button" onClick={() => without("agentId")}>
            Show all agents
          </button>
        </span>
      )}
      {customerId !== undefined && (
        <span className="filter">
          Customer <PayerName id={customerId} />
          <button className="button small" type="button" onClick={() => without("customerId")}>
            Show all customers
          </button>
        </span>
      )}
    </div>
  );
}

import type { Agent } from "@licentric/contract";
import { getRouteApi } from "@tanstack/react-router";
import { createAgent } from "../acts/agents.tsx";
import { useList } from "../queries.ts";
import { Acts } from "../ui/acts.tsx";
import { AGENT_COLUMNS } from "../ui/agent-table.tsx";
import { List } from "../ui/list-page.tsx";
import { Choice, Page } from "../ui/page.tsx";
import { Command, Empty } from "../ui/states.tsx";

const route = getRouteApi("/agents");

/** Everybody who calls. */
export default function Agents() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { cursor, status } = search;
  const query = useList<Agent>("/api/v1/agents", { cursor, status });
  return (
    <Page
      title="Agents"
      lead="They call your tools, each with tokens of its own."
      beside={
        <>
          <Choice
            label="Status"
            value={status ?? ""}
            options={[
              ["", "All"],
              ["active", "Active"],
              ["suspended", "Suspended"],
            ]}
            onChange={(value) =>
              void navigate({
                search: { status: value === "active" || value === "suspended" ? value : undefined },
              })
            }
          />
          <Acts acts={[createAgent()]} />
        </>
      }
    >
      <List
        query={query}
        label="Agents"
        search={search}
        rowKey={({ id }) => id}
        columns={AGENT_COLUMNS}
        empty={
          status === undefined ? (
            <Empty title="No agents yet.">
              <p>Make the first one, and a token for it:</p>
              <Command>npx licentric agents create "Travel planner"</Command>
            </Empty>
          ) : (
            <Empty title={`No agent is ${status}.`} />
          )
        }
      />
    </Page>
  );
}

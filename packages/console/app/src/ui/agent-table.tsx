import type { Agent } from "@licentric/contract";
import { Link } from "@tanstack/react-router";
import { PayerName } from "./names.tsx";
import type { Column } from "./table.tsx";
import { Badge, Name, Time } from "./values.tsx";

/** The state of an agent, in a word. */
export function AgentBadge({ status }: { readonly status: Agent["status"] }) {
  return status === "active" ? <Badge tone="good">Active</Badge> : <Badge tone="bad">Suspended</Badge>;
}

const name: Column<Agent> = {
  head: "Name",
  wide: true,
  cell: ({ id, name }) => (
    <Link to="/agents/$agentId" params={{ agentId: id }}>
      <Name>{name}</Name>
    </Link>
  ),
};
const status: Column<Agent> = { head: "Status", cell: (agent) => <AgentBadge status={agent.status} /> };
const payer: Column<Agent> = { head: "Paid by", cell: ({ customerId }) => <PayerName id={customerId} /> };
const created: Column<Agent> = { head: "Created", cell: ({ createdAt }) => <Time at={createdAt} /> };

/** The columns of a list of agents. */
export const AGENT_COLUMNS: readonly Column<Agent>[] = [name, status, payer, created];

/** The same where all of them are one customer's. */
export const AGENT_COLUMNS_OF_CUSTOMER: readonly Column<Agent>[] = [name, status, created];

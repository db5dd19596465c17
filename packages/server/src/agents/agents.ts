import type { Agent, CreateAgent, ListAgentsQuery, UpdateAgent } from "@licentric/contract";
import type { z } from "zod";
import { getCustomer } from "../customers/customers.ts";
import { notFound } from "../http/api-error.ts";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";

interface AgentRow {
  id: string;
  customer_id: string | null;
  name: string;
  status: Agent["status"];
  metadata: Agent["metadata"];
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = "id, customer_id, name, status, metadata, created_at, updated_at";

function toAgent(row: AgentRow): Agent {
  return {
    id: row.id,
    name: row.name,
    status: row.status,
    customerId: row.customer_id,
    metadata: row.metadata,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

/** Creates an agent. */
export async function createAgent(
  db: Queryable,
  environmentId: string,
  { name, customerId, metadata = {} }: z.output<typeof CreateAgent>,
  { newId, now }: { newId: () => string; now: Date },
): Promise<Agent> {
  if (customerId != null) await getCustomer(db, environmentId, customerId);
  const rows = await db.query<AgentRow>(
    `INSERT INTO agents (id, environment_id, customer_id, name, status, metadata, created_at, updated_at)
     VALUES ($1, $2, $3, $4, 'active', $5::jsonb, $6, $6) RETURNING ${COLUMNS}`,
    [newId(), environmentId, customerId ?? null, name, JSON.stringify(metadata), now],
  );
  return toAgent(onlyRow(rows));
}

/** Reads an agent that was not deleted. */
export async function getAgent(db: Queryable, environmentId: string, id: string): Promise<Agent> {
  const rows = await db.query<AgentRow>(
    `SELECT ${COLUMNS} FROM agents WHERE environment_id = $1 AND id = $2 AND deleted_at IS NULL`,
    [environmentId, uuidParam(id)],
  );
  if (rows.length === 0) throw notFound("agent", id);
  return toAgent(onlyRow(rows));
}

/** Lists agents, newest first. */
export function listAgents(
  db: Queryable,
  environmentId: string,
  query: z.output<typeof ListAgentsQuery>,
): Promise<Page<Agent>> {
  const page = pageRequest(query);
  return readPage(
    page,
    (limit) =>
      db.query<AgentRow>(
        `SELECT ${COLUMNS} FROM agents
         WHERE environment_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR id < $2)
           AND ($3::text IS NULL OR status = $3) AND ($4::uuid IS NULL OR customer_id = $4)
           AND ($5::text IS NULL OR name = $5)
         ORDER BY id DESC LIMIT $6`,
        [
          environmentId,
          page.cursor,
          query.status ?? null,
          query.customerId === undefined ? null : uuidParam(query.customerId),
          query.name ?? null,
          limit,
        ],
      ),
    toAgent,
  );
}

/**
 * Changes an agent. Its tokens are refused from the moment it is suspended, and work again when it is active again.
 * Usage goes to the customer whom the agent belongs to when it is recorded.
 */
export async function updateAgent(
  tx: Queryable,
  environmentId: string,
  id: string,
  { name, status, customerId, metadata }: z.output<typeof UpdateAgent>,
  now: Date,
): Promise<Agent> {
  if (customerId != null) await getCustomer(tx, environmentId, customerId);
  const rows = await tx.query<AgentRow>(
    `UPDATE agents SET name = coalesce($3, name), status = coalesce($4, status),
       customer_id = CASE WHEN $5 THEN $6::uuid ELSE customer_id END,
       metadata = coalesce($7::jsonb, metadata), updated_at = $8
     WHERE environment_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING ${COLUMNS}`,
    [
      environmentId,
      uuidParam(id),
      name ?? null,
      status ?? null,
      customerId !== undefined,
      customerId ?? null,
      metadata === undefined ? null : JSON.stringify(metadata),
      now,
    ],
  );
  if (rows.length === 0) throw notFound("agent", id);
  return toAgent(onlyRow(rows));
}

/**
 * Deletes an agent, its budgets, and revokes its credentials. What it used stays and is billed, also what is only
 * reported later.
 */
export async function deleteAgent(
  tx: Queryable,
  environmentId: string,
  id: string,
  now: Date,
): Promise<Agent> {
  const rows = await tx.query<AgentRow>(
    `UPDATE agents SET deleted_at = $3, updated_at = $3
     WHERE environment_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING ${COLUMNS}`,
    [environmentId, uuidParam(id), now],
  );
  if (rows.length === 0) throw notFound("agent", id);
  const agent = toAgent(onlyRow(rows));
  await tx.query(
    `UPDATE credentials SET revoked_at = $3
     WHERE environment_id = $1 AND agent_id = $2 AND (revoked_at IS NULL OR revoked_at > $3)`,
    [environmentId, agent.id, now],
  );
  for (const table of ["budgets", "money_budgets"]) {
    await tx.query(`DELETE FROM ${table} WHERE environment_id = $1 AND agent_id = $2`, [
      environmentId,
      agent.id,
    ]);
  }
  return agent;
}

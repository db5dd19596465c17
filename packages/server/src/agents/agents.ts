import type { Agent, CreateAgent, ListAgentsQuery } from "@licentric/contract";
import type { z } from "zod";
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
  if (customerId != null) await requireCustomer(db, environmentId, customerId);
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
         ORDER BY id DESC LIMIT $5`,
        [
          environmentId,
          page.cursor,
          query.status ?? null,
          query.customerId === undefined ? null : uuidParam(query.customerId),
          limit,
        ],
      ),
    toAgent,
  );
}

async function requireCustomer(db: Queryable, environmentId: string, customerId: string): Promise<void> {
  const rows = await db.query("SELECT 1 FROM customers WHERE environment_id = $1 AND id = $2", [
    environmentId,
    uuidParam(customerId),
  ]);
  if (rows.length === 0) throw notFound("customer", customerId);
}

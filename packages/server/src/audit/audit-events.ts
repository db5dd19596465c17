import { type AuditEvent, type ListAuditEventsQuery, type Route, routes } from "@licentric/contract";
import type { z } from "zod";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import { type Queryable, uuidParam } from "../store/database.ts";

const table: Record<string, Record<string, Route>> = routes;

const OPERATIONS: ReadonlyMap<Route, string> = new Map(
  Object.entries(table).flatMap(([resource, calls]) =>
    Object.entries(calls).map(([name, route]) => [route, `${resource}.${name}`] as const),
  ),
);

/** A change on its way into the log. */
export interface Change {
  readonly environmentId: string;
  readonly keyId: string;
  readonly route: Route;
  /** The ids in the request's path. */
  readonly params: Readonly<Record<string, string>>;
  readonly answer: unknown;
  readonly requestId: string;
}

/**
 * Writes a change to the audit log, in the change's own transaction: there is neither a change without its entry
 * nor an entry without its change. Of the answer only the id is kept.
 */
export async function recordChange(
  tx: Queryable,
  { environmentId, keyId, route, params, answer, requestId }: Change,
  { newId, now }: { newId: () => string; now: Date },
): Promise<void> {
  await insert(
    tx,
    {
      environmentId,
      actor: "key",
      keyId,
      operation: OPERATIONS.get(route) ?? `${route.method} ${route.path}`,
      resourceIds: [...new Set([...Object.values(params), ...answeredId(answer)])],
      requestId,
    },
    { newId, now },
  );
}

/** A change that no management key made, on its way into the log. */
export interface SystemChange {
  readonly environmentId: string;
  /** Author of the change: see the contract's `AuditEvent`. */
  readonly actor: "cli" | "program" | "stripe" | "system";
  readonly operation: string;
  readonly resourceIds: readonly string[];
  readonly requestId?: string | undefined;
}

/** Writes a change that no management key made to the audit log, in the change's own transaction. */
export async function recordSystemChange(
  tx: Queryable,
  { requestId, ...change }: SystemChange,
  making: { newId: () => string; now: Date },
): Promise<void> {
  await insert(tx, { ...change, keyId: null, requestId: requestId ?? null }, making);
}

async function insert(
  tx: Queryable,
  entry: Omit<AuditEvent, "id" | "createdAt" | "resourceIds"> & {
    readonly environmentId: string;
    readonly resourceIds: readonly string[];
  },
  { newId, now }: { newId: () => string; now: Date },
): Promise<void> {
  const { environmentId, actor, keyId, operation, resourceIds, requestId } = entry;
  await tx.query(
    `INSERT INTO audit_events (id, environment_id, actor, key_id, operation, resource_ids, request_id, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [newId(), environmentId, actor, keyId, operation, resourceIds, requestId, now],
  );
}

/** The id of what was answered; an authorization names its credential, and a run of invoices each of them. */
function answeredId(answer: unknown): string[] {
  if (typeof answer !== "object" || answer === null) return [];
  if ("outcomes" in answer && Array.isArray(answer.outcomes)) {
    return answer.outcomes.flatMap((outcome: { invoice?: unknown }) => answeredId(outcome.invoice));
  }
  if ("id" in answer && typeof answer.id === "string") return [answer.id];
  if ("credentialId" in answer && typeof answer.credentialId === "string") return [answer.credentialId];
  return [];
}

interface AuditRow {
  id: string;
  actor: string;
  key_id: string | null;
  operation: string;
  resource_ids: string[];
  request_id: string | null;
  created_at: Date;
}

/** Lists changes, newest first. */
export function listAuditEvents(
  db: Queryable,
  environmentId: string,
  query: z.output<typeof ListAuditEventsQuery>,
): Promise<Page<AuditEvent>> {
  const page = pageRequest(query);
  return readPage(
    page,
    (limit) =>
      db.query<AuditRow>(
        `SELECT id, actor, key_id, operation, resource_ids, request_id, created_at FROM audit_events
         WHERE environment_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::uuid IS NULL OR key_id = $3)
           AND ($4::text IS NULL OR operation = $4) AND ($5::text IS NULL OR $5 = ANY (resource_ids))
           AND ($6::text IS NULL OR actor = $6)
         ORDER BY id DESC LIMIT $7`,
        [
          environmentId,
          page.cursor,
          query.keyId === undefined ? null : uuidParam(query.keyId),
          query.operation ?? null,
          query.resourceId ?? null,
          query.actor ?? null,
          limit,
        ],
      ),
    (row) => ({
      id: row.id,
      actor: row.actor,
      keyId: row.key_id,
      operation: row.operation,
      resourceIds: row.resource_ids,
      requestId: row.request_id,
      createdAt: row.created_at.toISOString(),
    }),
  );
}

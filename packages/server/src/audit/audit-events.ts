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
  await tx.query(
    `INSERT INTO audit_events (id, environment_id, key_id, operation, resource_ids, request_id, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [
      newId(),
      environmentId,
      keyId,
      OPERATIONS.get(route) ?? `${route.method} ${route.path}`,
      [...new Set([...Object.values(params), ...answeredId(answer)])],
      requestId,
      now,
    ],
  );
}

/** The id of what was answered; an authorization names its credential. */
function answeredId(answer: unknown): string[] {
  if (typeof answer !== "object" || answer === null) return [];
  if ("id" in answer && typeof answer.id === "string") return [answer.id];
  if ("credentialId" in answer && typeof answer.credentialId === "string") return [answer.credentialId];
  return [];
}

interface AuditRow {
  id: string;
  key_id: string;
  operation: string;
  resource_ids: string[];
  request_id: string;
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
        `SELECT id, key_id, operation, resource_ids, request_id, created_at FROM audit_events
         WHERE environment_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::uuid IS NULL OR key_id = $3)
           AND ($4::text IS NULL OR operation = $4) AND ($5::text IS NULL OR $5 = ANY (resource_ids))
         ORDER BY id DESC LIMIT $6`,
        [
          environmentId,
          page.cursor,
          query.keyId === undefined ? null : uuidParam(query.keyId),
          query.operation ?? null,
          query.resourceId ?? null,
          limit,
        ],
      ),
    (row) => ({
      id: row.id,
      keyId: row.key_id,
      operation: row.operation,
      resourceIds: row.resource_ids,
      requestId: row.request_id,
      createdAt: row.created_at.toISOString(),
    }),
  );
}

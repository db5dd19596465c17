import type { Queryable } from "../store/database.ts";
import type { AgentCaller, KeyCaller } from "./caller.ts";

/** Keeps the times at which keys and credentials were used last. */
export interface LastUsed {
  /** Notes a use. Costs no query. */
  note(caller: KeyCaller | AgentCaller, now: Date): void;
  /** Writes what was noted since the last time. */
  flush(): Promise<void>;
  /** Writes what is left and stops. */
  close(): Promise<void>;
}

// Rows are locked in one order everywhere, so that two processes that write at once cannot wait in a circle.
const update = (table: string) => `/* last-used-${table} */
WITH used AS MATERIALIZED (
  SELECT t.id, u.used_at FROM ${table} t
  JOIN unnest($1::uuid[], $2::timestamptz[]) AS u (id, used_at) ON u.id = t.id
  WHERE t.last_used_at IS NULL OR t.last_used_at < u.used_at
  ORDER BY t.id FOR NO KEY UPDATE OF t
)
UPDATE ${table} t SET last_used_at = used.used_at FROM used WHERE used.id = t.id`;

const UPDATES = {
  management_keys: update("management_keys"),
  credentials: update("credentials"),
} as const;

type Table = keyof typeof UPDATES;

/**
 * Gathers last-used times in memory and writes them every few seconds with one statement, so that no request waits
 * for them. What a crash loses is a few seconds of them, and nothing that is billed.
 *
 * @param onError is told when they could not be written; they are kept and tried again.
 */
export function createLastUsed(
  db: Queryable,
  { interval = 5_000, onError }: { interval?: number; onError: (error: unknown) => void },
): LastUsed {
  const noted: Record<Table, Map<string, Date>> = { management_keys: new Map(), credentials: new Map() };
  let writing: Promise<void> = Promise.resolve();

  const note = (table: Table, id: string, now: Date) => {
    const known = noted[table].get(id);
    if (known === undefined || known < now) noted[table].set(id, now);
  };

  const write = async (table: Table) => {
    const times = noted[table];
    if (times.size === 0) return;
    noted[table] = new Map();
    try {
      await db.query(UPDATES[table], [[...times.keys()], [...times.values()].map((at) => at.toISOString())]);
    } catch (error) {
      for (const [id, at] of times) note(table, id, at);
      onError(error);
    }
  };

  const flush = () => {
    writing = writing.then(() => write("management_keys")).then(() => write("credentials"));
    return writing;
  };
  const timer = setInterval(flush, interval).unref();

  return {
    note: (caller, now) =>
      caller.kind === "key"
        ? note("management_keys", caller.keyId, now)
        : note("credentials", caller.credentialId, now),
    flush,
    close: () => {
      clearInterval(timer);
      return flush();
    },
  };
}

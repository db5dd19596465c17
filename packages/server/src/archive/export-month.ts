import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Queryable } from "../store/database.ts";
import { syncDirectory } from "../store/durable-files.ts";
import { leastId, type Month } from "../store/month.ts";

/** A month's events in a file. */
export interface ExportedMonth {
  /** In UTC, `YYYY-MM`. */
  readonly month: string;
  /** A gzip-compressed CSV, readable by its owner alone. */
  readonly file: string;
  /** Of the file, as `sha256sum` shows it. */
  readonly sha256: string;
  readonly eventCount: number;
}

const ROWS_AT_ONCE = 2_000;

const COLUMNS = [
  "id",
  "account_id",
  "mode",
  "period_id",
  "agent_id",
  "customer_id",
  "meter_name",
  "quantity",
  "idempotency_key",
  "timestamp",
  "created_at",
  "metadata",
] as const;

type EventLine = Readonly<Record<(typeof COLUMNS)[number], string | number | Date | object | null>> & {
  readonly id: string;
};

/**
 * Writes the events that were recorded in a month into a new file. It reads them in pages, so that nobody waits for it;
 * under its name there is the whole file or none.
 *
 * @param directory is made if it is missing.
 */
export async function exportMonth(
  db: Queryable,
  { month, directory }: { readonly month: Month; readonly directory: string },
): Promise<ExportedMonth> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // Nothing is written over: not even what another process writes of the same month.
  const file = resolve(join(directory, `events-${month.name}-${randomUUID().slice(0, 8)}.csv.gz`));
  const partial = `${file}.partial`;
  const handle = await open(partial, "wx", 0o600);
  try {
    const hash = createHash("sha256");
    let eventCount = 0;
    const count = (events: number) => {
      eventCount += events;
    };
    await pipeline(
      csvOf(db, month, count),
      createGzip(),
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          yield chunk;
        }
      },
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) await handle.writeFile(chunk);
      },
    );
    await handle.sync();
    await rename(partial, file);
    await syncDirectory(directory);
    return { month: month.name, file, sha256: hash.digest("hex"), eventCount };
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

async function* csvOf(db: Queryable, month: Month, count: (events: number) => void): AsyncGenerator<string> {
  yield `${COLUMNS.join(",")}\n`;
  for (const { id: environmentId } of await db.query<{ id: string }>(
    "SELECT id FROM environments ORDER BY id",
  )) {
    let behind: string | null = null;
    do {
      const rows = await selectPage(db, month, environmentId, behind);
      count(rows.length);
      if (rows.length > 0) yield rows.map(toLine).join("");
      behind = rows.length === ROWS_AT_ONCE ? (rows.at(-1)?.id ?? null) : null;
    } while (behind !== null);
  }
}

function selectPage(
  db: Queryable,
  month: Month,
  environmentId: string,
  behind: string | null,
): Promise<EventLine[]> {
  return db.query<EventLine>(
    `SELECT u.id, e.account_id, e.mode, u.period_id, u.agent_id, u.customer_id, m.name AS meter_name, u.quantity,
       u.idempotency_key, u.occurred_at AS timestamp, u.created_at, u.metadata
     FROM metered_events u
     JOIN environments e ON e.id = u.environment_id
     LEFT JOIN meters m ON m.id = u.meter_id
     WHERE u.environment_id = $1 AND u.id >= $2 AND u.id < $3 AND ($4::uuid IS NULL OR u.id > $4)
     ORDER BY u.id LIMIT ${ROWS_AT_ONCE}`,
    [environmentId, leastId(month.start), leastId(month.end), behind],
  );
}

function toLine(row: EventLine): string {
  return `${COLUMNS.map((column) => field(row[column])).join(",")}\n`;
}

/** As RFC 4180 has it. */
function field(value: string | number | Date | object | null): string {
  if (value === null) return "";
  const text =
    value instanceof Date
      ? value.toISOString()
      : typeof value === "object"
        ? JSON.stringify(value)
        : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

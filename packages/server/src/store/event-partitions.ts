import { type Database, DatabaseSetupError, onlyRow, type Queryable, sqlState } from "./database.ts";
import { MIGRATION_LOCK } from "./migrate.ts";
import { leastId, type Month, monthOf, timeOfId } from "./month.ts";

/** Months for which partitions are made ahead, the running one not counted. */
const MONTHS_AHEAD = 3;
/** A table of so many bytes is indexed while the database is opened; a larger one while the server is at work. */
const INDEXED_AT_ONCE = 16 * 1024 * 1024;
/** Held by the process that makes the index of a large table. */
const INDEX_LOCK = MIGRATION_LOCK + 1;
const MOVED_AT_ONCE = 5_000;
/** Milliseconds for which a lock is waited for: everything that comes after waits behind it. */
const LOCK_TIMEOUT = 1_000;
const TIME_FOR_LOCK = 60_000;

/**
 * Makes the events' partitions ready, before anything is recorded. Of a database of the versions before, the table
 * `usage_events` becomes the partition of the past as it is: no event is copied, and the servers of the version before
 * that run beside go on with it under its name until it ends. That is the beginning of a month four weeks ahead or
 * more, so that they have been replaced by then. Each step finds out what is done already, so a process that was
 * killed at any of them is followed by one that goes on.
 *
 * @param indexedAtOnce bytes of the table up to which its index is made here and now.
 */
export async function prepareEvents(
  db: Database,
  now = new Date(),
  indexedAtOnce = INDEXED_AT_ONCE,
): Promise<void> {
  if (!(await isAttached(db))) {
    const until = await withLock(() => limitPast(db, now));
    await moveWhatIsBeyond(db, until);
    await db.transaction((tx) => tx.query("ALTER TABLE usage_events VALIDATE CONSTRAINT usage_events_past"), {
      queryTimeout: 0,
    });
    await withLock(() => attachPast(db, until));
  }
  await makePartitions(db, now);
  const size = await db.query<{ bytes: number }>("SELECT pg_relation_size('usage_events') AS bytes");
  if (db.kind === "embedded" || onlyRow(size).bytes <= indexedAtOnce) await withLock(() => indexAtOnce(db));
}

async function isAttached(db: Queryable): Promise<boolean> {
  const rows = await db.query<{ attached: boolean }>(
    "SELECT relispartition AS attached FROM pg_class WHERE oid = 'usage_events'::regclass",
  );
  return onlyRow(rows).attached;
}

/** Says once, for all processes, where the past ends; a new database has none. */
function limitPast(db: Database, now: Date): Promise<string> {
  return db.transaction(async (tx) => {
    await tx.query("SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
    const [limit] = await tx.query<{ definition: string }>(
      `SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint
       WHERE conrelid = 'usage_events'::regclass AND conname = 'usage_events_past'`,
    );
    if (limit !== undefined) return pastEnd(limit.definition);
    await tx.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT}`);
    const { used } = onlyRow(
      await tx.query<{ used: boolean }>("SELECT EXISTS (SELECT FROM accounts) AS used"),
    );
    const until = leastId(monthOf(now, used ? 2 : 0).start);
    await tx.query(
      `ALTER TABLE usage_events ADD CONSTRAINT usage_events_past CHECK (id < '${until}') NOT VALID`,
    );
    return until;
  });
}

/** The id with which the past ends, as it stands in a definition of PostgreSQL's. */
function pastEnd(definition: string): string {
  const [id] = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(definition) ?? [];
  if (id === undefined) throw new Error(`usage_events_past is not as this server makes it: ${definition}`);
  return id;
}

const COLUMNS = `id, environment_id, period_id, agent_id, customer_id, meter_id, quantity, idempotency_key, occurred_at,
  created_at, metadata`;

/** The first half of a key's SHA-256, as `hashOfKey` makes it. */
const KEY_HASH = "encode(substring(sha256(convert_to(idempotency_key, 'UTF8')) for 16), 'hex')::uuid";

/** Only a clock that was far ahead, or a program of somebody's own, has made ids that lie beyond. */
async function moveWhatIsBeyond(db: Database, until: string): Promise<void> {
  for (let moved = MOVED_AT_ONCE; moved === MOVED_AT_ONCE; ) {
    const rows = await db.query(
      `WITH moved AS (
         DELETE FROM usage_events WHERE id IN (SELECT id FROM usage_events WHERE id >= $1 ORDER BY id LIMIT $2)
         RETURNING ${COLUMNS}
       ),
       keyed AS (
         INSERT INTO usage_event_keys (agent_id, key_hash, event_id)
         SELECT agent_id, ${KEY_HASH}, id FROM moved WHERE idempotency_key IS NOT NULL
         ON CONFLICT (agent_id, key_hash) DO NOTHING
       )
       INSERT INTO metered_events (${COLUMNS}) SELECT ${COLUMNS} FROM moved RETURNING id`,
      [until, MOVED_AT_ONCE],
    );
    moved = rows.length;
  }
}

async function attachPast(db: Database, until: string): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.query("SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
    if (await isAttached(tx)) return;
    for (const statement of [
      `SET LOCAL lock_timeout = ${LOCK_TIMEOUT}`,
      // The constraint that was checked while everybody was at work says that nothing need be read now.
      `ALTER TABLE metered_events ATTACH PARTITION usage_events FOR VALUES FROM (MINVALUE) TO ('${until}')`,
      // Where a server of the version before is still there by then, its clients try again until another answers.
      `CREATE OR REPLACE FUNCTION refuse_after_past() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         RAISE EXCEPTION 'This server is of a version that cannot record any more: stop it' USING ERRCODE = '57P03';
       END $$`,
      `CREATE TRIGGER usage_events_after_past BEFORE INSERT ON usage_events
       FOR EACH ROW WHEN (NEW.id >= '${until}') EXECUTE FUNCTION refuse_after_past()`,
      // Of the parent alone: that of the past takes its time.
      "CREATE UNIQUE INDEX metered_events_agent ON ONLY metered_events (agent_id, id)",
      "CREATE UNIQUE INDEX metered_events_other_agent ON metered_events_other (agent_id, id)",
      "ALTER INDEX metered_events_agent ATTACH PARTITION metered_events_other_agent",
    ])
      await tx.query(statement);
  });
}

/** Runs what needs a table for a moment, again and again until those who use it have left a gap. */
async function withLock<Result>(run: () => Promise<Result>): Promise<Result> {
  const started = performance.now();
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (sqlState(error instanceof Error ? error.cause : undefined) !== "55P03") throw error;
      if (performance.now() - started > TIME_FOR_LOCK) {
        throw new DatabaseSetupError(
          "The table usage_events is in use without a break, so it cannot be made a partition. End what reads it for so long (pg_stat_activity shows it), and start again.",
          { cause: error },
        );
      }
    }
  }
}

/** Makes the partitions of the running month and of those ahead that are missing. */
export async function makePartitions(db: Database, now: Date): Promise<void> {
  const [past] = await db.query<{ bound: string }>(
    "SELECT pg_get_expr(relpartbound, oid) AS bound FROM pg_class WHERE oid = 'usage_events'::regclass",
  );
  const begin = timeOfId(pastEnd(past?.bound ?? ""));
  for (let later = 0; later <= MONTHS_AHEAD; later += 1) {
    const month = monthOf(now, later);
    if (month.start >= begin && !(await isThere(db, partitionOf(month)))) await makePartition(db, month);
  }
}

/** The name of a month's partition. */
export function partitionOf({ name }: Month): string {
  return `metered_events_${name.replace("-", "_")}`;
}

/** By the rows of the catalog: what a name stands for is remembered while a lock is waited for. */
async function isThere(db: Queryable, partition: string): Promise<boolean> {
  const found = await db.query(
    `SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'metered_events'::regclass AND c.relname = $1`,
    [partition],
  );
  return found.length > 0;
}

/**
 * Makes a month's partition. Events that came before it was made are in the one for all others, and move in
 * the same transaction.
 */
async function makePartition(db: Database, month: Month): Promise<void> {
  const [name, least, most] = [partitionOf(month), leastId(month.start), leastId(month.end)];
  await db.transaction(async (tx) => {
    await tx.query("SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
    if (await isThere(tx, name)) return;
    for (const statement of [
      `SET LOCAL lock_timeout = ${LOCK_TIMEOUT}`,
      "LOCK TABLE metered_events_other IN ACCESS EXCLUSIVE MODE",
      `CREATE TABLE ${name} (LIKE metered_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`,
      `WITH moved AS (DELETE FROM metered_events_other WHERE id >= '${least}' AND id < '${most}' RETURNING *)
       INSERT INTO ${name} SELECT * FROM moved`,
      `ALTER TABLE metered_events ATTACH PARTITION ${name} FOR VALUES FROM ('${least}') TO ('${most}')`,
    ])
      await tx.query(statement);
  });
}

interface IndexState {
  readonly valid: boolean;
  readonly attached: boolean;
}

async function readIndex(db: Queryable): Promise<IndexState | undefined> {
  const [index] = await db.query<IndexState>(
    `SELECT i.indisvalid AS valid, c.relispartition AS attached
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE i.indrelid = 'usage_events'::regclass AND c.relname = 'usage_events_agent'`,
  );
  return index;
}

const INDEX = "usage_events_agent ON usage_events (agent_id, id)";

/** A small table's index is made in a moment, by the first of those that start at once. */
async function indexAtOnce(db: Database): Promise<void> {
  if ((await readIndex(db))?.attached) return;
  await db.transaction(
    async (tx) => {
      await tx.query("SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
      if ((await readIndex(tx))?.attached) return;
      await tx.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT}`);
      await tx.query("DROP INDEX IF EXISTS usage_events_agent");
      await tx.query(`CREATE UNIQUE INDEX ${INDEX}`);
      await attachIndex(tx);
    },
    { queryTimeout: 0 },
  );
}

/**
 * Gives the past the index by agent that the other partitions are made with, on PostgreSQL and while usage is being
 * recorded. One that a killed process left half-made is made anew. Two that made it at the same time would wait for
 * each other, so one process does it, and another one leaves it alone.
 */
export async function indexPastByAgent(db: Database): Promise<void> {
  if (db.kind === "embedded" || (await readIndex(db))?.attached) return;
  await db.transaction(
    async (tx) => {
      // Between its statements this transaction looks at nothing, so the index does not wait for its end.
      const lock = await tx.query<{ mine: boolean }>("SELECT pg_try_advisory_xact_lock($1) AS mine", [
        INDEX_LOCK,
      ]);
      const index = await readIndex(tx);
      if (!onlyRow(lock).mine || index?.attached) return;
      if (!index?.valid) {
        if (index !== undefined) await db.maintain("DROP INDEX CONCURRENTLY usage_events_agent");
        await db.maintain(`CREATE UNIQUE INDEX CONCURRENTLY ${INDEX}`);
      }
      await tx.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT}`);
      await attachIndex(tx);
    },
    { queryTimeout: 0 },
  );
}

async function attachIndex(tx: Queryable): Promise<void> {
  await tx.query("ALTER INDEX metered_events_agent ATTACH PARTITION usage_events_agent");
  // Found by agent and id from now on; a key without the agent in it would keep the table on one machine.
  await tx.query("ALTER TABLE usage_events DROP CONSTRAINT IF EXISTS usage_events_pkey");
}

import { Licentric } from "@licentric/sdk";
import { type Database, openDatabase } from "@licentric/server";
import { makeAccount, serveApi } from "../api.ts";
import { divide, type Effort, inTurn, middle, milliseconds, type Row } from "../compare.ts";
import type { DatabaseKind } from "../databases.ts";

const FEW = 10_000;
const AGENTS = 100;
/** Of the oldest events, an agent's that has used nothing since. */
const OF_IDLE_AGENT = 50;
const CHUNK = 100_000;
const DAY = 86_400_000;
/** Before now and after it: the partition of the past, and those that the server makes ahead. */
const [PAST, AHEAD] = [400 * DAY, 90 * DAY];

/**
 * The list of an agent's events, newest first, of an agent that has used nothing for long, with very many events ÷ with
 * few, by the API; and how many bytes an event takes. `LICENTRIC_BENCH_EVENTS` says how many events are many.
 */
export async function listEvents(kind: DatabaseKind, { quick }: Effort): Promise<Row> {
  const asked = Number(process.env["LICENTRIC_BENCH_EVENTS"] ?? Number.NaN);
  const full = kind.name === "embedded" ? 200_000 : 1_000_000;
  const [rounds, many] = quick ? [3, 20_000] : [50, Number.isNaN(asked) ? full : asked];
  return kind.withNew((large) =>
    kind.withNew(async (small) => {
      const [left, right] = [await openDatabase(large), await openDatabase(small)];
      try {
        const [listLarge, listSmall] = [await fill(left, many), await fill(right, FEW)];
        const idle = await inTurn(rounds, listLarge.idle, listSmall.idle);
        const all = await inTurn(rounds, listLarge.all, listSmall.all);
        const { events, keys } = await bytes(left);
        await Promise.all([listLarge.close(), listSmall.close()]);
        return {
          name: `list of an idle agent's events, ${kind.name}`,
          ratio: `with ${count(many)} events ÷ with ${count(FEW)}, the agent's ${OF_IDLE_AGENT} being the oldest`,
          ...divide(idle.left, idle.right),
          aim: { atMost: 1.5 },
          figures: `${middle(idle.left, 1)} ÷ ${middle(idle.right, 1)} ms; of all agents ${middle(all.left, 1)} ÷ ${middle(all.right, 1)} ms; ${count(events)} bytes an event with indexes, ${count(keys)} more while its key is kept`,
        };
      } finally {
        await Promise.all([left.close(), right.close()]);
      }
    }),
  );
}

async function fill(db: Database, events: number) {
  const { environmentId, apiKey } = await makeAccount(db);
  const server = await serveApi(db);
  const client = new Licentric({ apiKey, baseUrl: server.url });
  const agents: string[] = [];
  for (let index = 0; index < AGENTS; index++)
    agents.push((await client.agents.create({ name: "bench" })).id);
  const [idle = ""] = agents;
  const { id: periodId } = await client.billing.getCurrentPeriod();
  await insertEvents(db, { environmentId, periodId, agents, events });
  const list = (narrowing: { agentId?: string }, expected: number) =>
    milliseconds(async () => {
      const { data } = await client.usage.listEvents({ ...narrowing, limit: 100 });
      if (data.length !== expected) throw new Error(`${data.length} events were listed, not ${expected}`);
    });
  return {
    idle: () => list({ agentId: idle }, OF_IDLE_AGENT),
    all: () => list({}, 100),
    close: () => server.close(),
  };
}

/** Inserts events as recording would, in the order of their ids, and as many keys. */
async function insertEvents(
  db: Database,
  target: { environmentId: string; periodId: string; agents: readonly string[]; events: number },
): Promise<void> {
  const { environmentId, periodId, agents, events } = target;
  const begin = Date.now() - PAST;
  for (let start = 0; start < events; start += CHUNK) {
    await db.transaction(
      (tx) =>
        tx.query(
          `WITH recorded AS (
             INSERT INTO metered_events (id, environment_id, period_id, agent_id, meter_id, quantity, idempotency_key,
               occurred_at, created_at)
             SELECT (lpad(to_hex(t.ms), 12, '0') || '7' || substr(t.hash, 1, 3) || 'b' || substr(t.hash, 4, 15))::uuid,
               $1, $2, CASE WHEN n < ${OF_IDLE_AGENT} THEN ($3::uuid[])[1] ELSE ($3::uuid[])[2 + n % ${AGENTS - 1}] END,
               m.id, 1 + n % 3, md5(t.hash)::uuid::text, to_timestamp(t.ms / 1000.0), to_timestamp(t.ms / 1000.0)
             FROM generate_series($4::int, $5::int) n
             CROSS JOIN LATERAL (
               SELECT $6::bigint + n::bigint * $7::bigint / $8::bigint AS ms, md5(n::text) AS hash
             ) t
             JOIN meters m ON m.environment_id = $1
             RETURNING id, agent_id, idempotency_key
           )
           INSERT INTO usage_event_keys (agent_id, key_hash, event_id)
           SELECT agent_id, md5(idempotency_key)::uuid, id FROM recorded`,
          [
            environmentId,
            periodId,
            agents,
            start,
            Math.min(start + CHUNK, events) - 1,
            begin,
            PAST + AHEAD,
            events,
          ],
        ),
      { queryTimeout: 0 },
    );
  }
}

/**
 * Returns the bytes that tables and indexes take on the disk, by the event; the past has an index of the
 * previous version, too.
 */
async function bytes(db: Database): Promise<{ events: number; keys: number }> {
  const [size] = await db.query<{ events: number; keys: number }>(
    `SELECT (
         SELECT sum(pg_total_relation_size(p.name))
         FROM (SELECT DISTINCT tableoid AS name FROM metered_events WHERE tableoid <> 'usage_events'::regclass) p
       )::float8 / (SELECT count(*) FROM metered_events WHERE tableoid <> 'usage_events'::regclass) AS events,
       pg_total_relation_size('usage_event_keys')::float8 / (SELECT count(*) FROM usage_event_keys) AS keys`,
  );
  if (size === undefined) throw new Error("there is no size");
  return size;
}

function count(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

import { randomUUID } from "node:crypto";
import { Licentric } from "@licentric/sdk";
import { type Database, openDatabase } from "@licentric/server";
import { makeAccount, serveApi } from "../api.ts";
import { divide, type Effort, inTurn, middle, milliseconds, type Row } from "../compare.ts";
import type { DatabaseKind } from "../databases.ts";

const FEW = 10_000;
const AGENTS = 20;
const DAYS = 30;
/** Events that one statement adds. */
const CHUNK = 250_000;
// The server's clock stands still on the last day of a month, whenever this runs: its events fill thirty days.
const NOW = new Date("2026-01-31T12:00:00Z");

interface Filled {
  close(): Promise<number>;
}

/** The close of a period with very many events ÷ the close of one with few, by the API. */
export function closePeriod(kind: DatabaseKind, { quick }: Effort): Promise<Row> {
  const full = kind.name === "embedded" ? 1_000_000 : 10_000_000;
  const [rounds, many] = quick ? [1, 50_000] : [15, full];
  return kind.withNew(async (location) => {
    const db = await openDatabase(location);
    try {
      const server = await serveApi(db, () => NOW);
      try {
        const [large, small] = [await fill(db, server.url, many), await fill(db, server.url, FEW)];
        const { left, right } = await inTurn(rounds, large.close, small.close);
        return {
          name: `close of a period, ${kind.name}`,
          ratio: `with ${count(many)} events ÷ with ${count(FEW)}, both of ${AGENTS} agents on ${DAYS} days`,
          ...divide(left, right),
          aim: { atMost: 1.5 },
          figures: `${middle(left, 1)} ÷ ${middle(right, 1)} ms`,
        };
      } finally {
        await server.close();
      }
    } finally {
      await db.close();
    }
  });
}

/** Makes an account whose open period has that many events. */
async function fill(db: Database, baseUrl: string, events: number): Promise<Filled> {
  const { environmentId, apiKey } = await makeAccount(db);
  const client = new Licentric({ apiKey, baseUrl });
  const agents: string[] = [];
  for (let index = 0; index < AGENTS; index++)
    agents.push((await client.agents.create({ name: "bench" })).id);
  const period = await client.billing.getCurrentPeriod();
  if (period.endsAt === undefined) throw new Error("the period has no end");
  const { endsAt } = period;
  await insertEvents(db, { environmentId, periodId: period.id, agents, events });
  return {
    async close() {
      // A closed period stays closed, but for a benchmark: this makes it as it was before.
      await db.query("UPDATE periods SET status = 'open', closed_at = NULL, ends_at = $2 WHERE id = $1", [
        period.id,
        endsAt,
      ]);
      let closed: Awaited<ReturnType<typeof client.billing.closePeriod>> | undefined;
      const time = await milliseconds(async () => {
        closed = await client.billing.closePeriod(period.id);
      });
      const counted = closed?.totals?.map(({ eventCount }) => eventCount);
      if (closed?.status !== "closed" || counted?.join() !== String(events)) {
        throw new Error(`closing ${events} events answered ${JSON.stringify(closed)}`);
      }
      return time;
    },
  };
}

/** Inserts events as recording would, and the totals that it would have kept, in statements of very many. */
async function insertEvents(
  db: Database,
  target: { environmentId: string; periodId: string; agents: readonly string[]; events: number },
): Promise<void> {
  const { environmentId, periodId, agents, events } = target;
  const starts = Array.from({ length: Math.ceil(events / CHUNK) }, (_, index) => index * CHUNK);
  const prefix = randomUUID().slice(0, 8);
  const insert = async () => {
    for (let start = starts.shift(); start !== undefined; start = starts.shift()) {
      await db.query(
        `INSERT INTO metered_events
           (id, environment_id, period_id, agent_id, meter_id, quantity, occurred_at, created_at)
         SELECT ($1 || lpad(to_hex(n), 24, '0'))::uuid, $2, $3, ($4::uuid[])[1 + n % ${AGENTS}], m.id, 1 + n % 3,
                p.starts_at + (n / ${AGENTS} % ${DAYS}) * interval '1 day', p.starts_at
         FROM generate_series($5::int, $6::int) n, periods p, meters m
         WHERE p.id = $3 AND m.environment_id = $2`,
        [prefix, environmentId, periodId, agents, start, Math.min(start + CHUNK, events) - 1],
      );
    }
  };
  // Two at once, for a machine of two cores; the embedded database takes one after the other by itself.
  await Promise.all([insert(), insert()]);
  await db.query(
    `INSERT INTO usage_totals (environment_id, period_id, agent_id, customer_id, meter_id, day, quantity, event_count)
     SELECT u.environment_id, u.period_id, u.agent_id, u.customer_id, u.meter_id,
            (u.occurred_at AT TIME ZONE 'UTC')::date, sum(u.quantity), count(*)
     FROM metered_events u WHERE u.period_id = $1 GROUP BY 1, 2, 3, 4, 5, 6`,
    [periodId],
  );
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

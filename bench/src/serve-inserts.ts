import { randomUUID } from "node:crypto";
import { openDatabase } from "@licentric/server";
import { v7 as uuidv7 } from "uuid";
import { locationFrom } from "./databases.ts";
import { serve } from "./serve.ts";

/**
 * The least that recording can do: the rows of events, by `INSERT … SELECT FROM unnest`, into the very table that
 * the API writes, and nothing else. `GET /?milliseconds=…&size=…&atOnce=…` inserts for that long and answers the
 * events per second.
 */
const db = await openDatabase(locationFrom(process.env));
const [environmentId, periodId, agentId, meterId] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];

serve(async (request, response) => {
  const asked = new URL(request.url ?? "", "http://localhost").searchParams;
  const number = (name: string) => Number(asked.get(name) ?? Number.NaN);
  const perSecond = await insertFor(number("milliseconds"), number("size"), number("atOnce"));
  response.setHeader("content-type", "application/json").end(JSON.stringify({ perSecond }));
});
process.once("SIGTERM", () => db.close());

async function insertFor(time: number, size: number, atOnce: number): Promise<number> {
  const started = performance.now();
  let events = 0;
  const loop = async () => {
    while (performance.now() - started < time) {
      await insert(size);
      events += size;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, loop));
  return (events * 1_000) / (performance.now() - started);
}

function insert(size: number): Promise<unknown> {
  const all = <Value>(value: () => Value) => Array.from({ length: size }, value);
  const now = new Date().toISOString();
  return db.query(
    `INSERT INTO metered_events
       (id, environment_id, period_id, agent_id, meter_id, quantity, idempotency_key, occurred_at, created_at)
     SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[],
                          $8::timestamptz[], $9::timestamptz[])`,
    [
      all(() => uuidv7()),
      all(() => environmentId),
      all(() => periodId),
      all(() => agentId),
      all(() => meterId),
      all(() => 1),
      all(() => randomUUID()),
      all(() => now),
      all(() => now),
    ],
  );
}

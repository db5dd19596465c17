import { randomUUID } from "node:crypto";
import { Pool, request } from "undici";
import { z } from "zod";
import { type Agent, withAgent } from "../agent.ts";
import { startChild } from "../children.ts";
import { divide, type Effort, inTurn, middle, percentile, type Row } from "../compare.ts";
import { type DatabaseKind, toEnvironment } from "../databases.ts";

const SIZE = 1_000;
const AT_ONCE = 4;

/** Events per second by the API, 1,000 a request ÷ those of a bare `INSERT … SELECT FROM unnest` of as many rows. */
export function batch(kind: DatabaseKind, { quick }: Effort): Promise<Row> {
  const [rounds, time] = quick ? [1, 500] : [5, 3_000];
  return kind.withNew((location) =>
    withAgent(location, (agent) =>
      kind.withNew(async (empty) => {
        const inserts = await startChild("serve-inserts", toEnvironment(empty));
        const pool = new Pool(agent.url, { pipelining: 1 });
        const latencies: number[] = [];
        try {
          const { left, right } = await inTurn(
            rounds,
            () => recordFor(time, pool, agent, latencies),
            () => insertFor(time, inserts.url),
          );
          const [p50, p99] = [percentile(latencies, 0.5), percentile(latencies, 0.99)];
          return {
            name: `batch recording, ${kind.name}`,
            ratio: `events a second by the API, ${SIZE.toLocaleString("en-US")} a request, ${AT_ONCE} at once ÷ by a bare INSERT from unnest`,
            ...divide(left, right),
            aim: { atLeast: 0.5 },
            figures: `${middle(left)}/s, p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms ÷ ${middle(right)}/s`,
          };
        } finally {
          await pool.close();
          await inserts.stop();
        }
      }),
    ),
  );
}

/** Records for that long, each event with an idempotency key, as the client sends them; events per second. */
async function recordFor(time: number, pool: Pool, agent: Agent, latencies: number[]): Promise<number> {
  const headers = { authorization: `Bearer ${agent.apiKey}`, "content-type": "application/json" };
  const started = performance.now();
  let events = 0;
  const loop = async () => {
    for (let begun = performance.now(); begun - started < time; begun = performance.now()) {
      const body = JSON.stringify({ events: Array.from({ length: SIZE }, () => toEvent(agent.id)) });
      const sent = performance.now();
      const answer = await pool.request({ method: "POST", path: "/api/v1/usage/events", headers, body });
      const text = await answer.body.text();
      latencies.push(performance.now() - sent);
      const recorded = text.split('"status":"recorded"').length - 1;
      if (recorded !== SIZE) throw new Error(`${recorded} of ${SIZE} were recorded: ${text.slice(0, 200)}`);
      events += SIZE;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, loop));
  return (events * 1_000) / (performance.now() - started);
}

function toEvent(agentId: string) {
  return { agentId, meterName: "api_calls", idempotencyKey: randomUUID() };
}

const Inserted = z.object({ perSecond: z.number() });

async function insertFor(time: number, url: string): Promise<number> {
  const query = { milliseconds: time, size: SIZE, atOnce: AT_ONCE };
  const { body } = await request(url, { query });
  return Inserted.parse(await body.json()).perSecond;
}

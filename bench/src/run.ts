import { parseArgs } from "node:util";
import { withAgent } from "./agent.ts";
import { startChild } from "./children.ts";
import type { Effort, Row } from "./compare.ts";
import { type DatabaseKind, embedded, postgres, postgresVersion } from "./databases.ts";
import { describeMachine, toMarkdown, writeResults } from "./report.ts";
import { alternatives } from "./rows/alternatives.ts";
import { batch } from "./rows/batch.ts";
import { cache } from "./rows/cache.ts";
import { client } from "./rows/client.ts";
import { closePeriod } from "./rows/close-period.ts";
import { gate } from "./rows/gate.ts";
import { inMemory } from "./rows/in-memory.ts";
import { listEvents } from "./rows/list-events.ts";
import { oneRequest } from "./rows/one-request.ts";
import { start } from "./rows/start.ts";
import { underLoad } from "./rows/under-load.ts";

// Every row is a ratio of two things measured in turn. LICENTRIC_BENCH_DATABASE_URL names a PostgreSQL server.
const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, only: { type: "string", multiple: true } },
});
const effort: Effort = { quick: options.quick };
const serverUrl = process.env["LICENTRIC_BENCH_DATABASE_URL"];
const databases: DatabaseKind[] = serverUrl ? [embedded, postgres(serverUrl)] : [embedded];

/** By the names of the files that measure them. */
const topics: Record<string, () => Promise<Row[]>> = {
  client: () => client(effort),
  start: () => start(effort),
  "in-memory": () => embedded.withNew((location) => withAgent(location, (agent) => inMemory(agent, effort))),
  cache: async () => [await cache(effort)],
  "one-request": () =>
    embedded.withNew((location) => withAgent(location, async (agent) => [await oneRequest(agent, effort)])),
  gate: () => embedded.withNew((location) => withAgent(location, (agent) => gate(agent, effort))),
  alternatives: () => alternatives(effort),
  "under-load": async () => {
    const echo = await startChild("serve-echo");
    try {
      return await onEach((kind) =>
        kind.withNew((location) => withAgent(location, (agent) => underLoad(kind.name, agent, echo, effort))),
      );
    } finally {
      await echo.stop();
    }
  },
  batch: () => onEach(async (kind) => [await batch(kind, effort)]),
  "close-period": () => onEach(async (kind) => [await closePeriod(kind, effort)]),
  "list-events": () => onEach(async (kind) => [await listEvents(kind, effort)]),
};

async function onEach(measure: (kind: DatabaseKind) => Promise<Row[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of databases) rows.push(...(await measure(kind)));
  return rows;
}

const started = performance.now();
const seconds = () => `${((performance.now() - started) / 1_000).toFixed(0)} s`;
const rows: Row[] = [];
for (const topic of options.only ?? Object.keys(topics)) {
  const measure = topics[topic];
  if (measure === undefined) {
    throw new Error(`there is no topic "${topic}"; the topics are ${Object.keys(topics).join(", ")}`);
  }
  const measured = await measure();
  rows.push(...measured);
  // So that a person sees that something happens.
  for (const { name, median } of measured)
    console.error(`${seconds().padStart(5)}  ${name}: ${median.toFixed(2)}`);
}

const machine = describeMachine(serverUrl ? await postgresVersion(serverUrl) : null);
await writeResults("bench-results.json", machine, rows);
if (!serverUrl) console.error("Not measured on PostgreSQL: LICENTRIC_BENCH_DATABASE_URL names no server.");
console.log(`\n${toMarkdown(rows)}\n`);
console.log(
  `${machine.cores} cores (${machine.cpu}), Node ${machine.node}, ${machine.postgres ? `PostgreSQL ${machine.postgres}` : "no PostgreSQL"}; ${seconds()}; written to bench-results.json`,
);

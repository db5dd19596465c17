import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { type Agent, startAgent } from "./agent.ts";
import { startChild } from "./children.ts";
import { isMet, type Row } from "./compare.ts";
import { inMemory } from "./rows/in-memory.ts";
import { oneRequest } from "./rows/one-request.ts";
import { underLoad } from "./rows/under-load.ts";

// Every row is a ratio of two things measured in turn. LICENTRIC_BENCH_DATABASE_URL names an empty PostgreSQL database.
const databaseUrl = process.env["LICENTRIC_BENCH_DATABASE_URL"];
const rows: Row[] = [];

/** Adds rows as they are measured, so that a person sees that something happens. */
function add(measured: readonly Row[]): void {
  for (const row of measured) {
    const aim = "atMost" in row.aim ? `≤ ${row.aim.atMost}` : `≥ ${row.aim.atLeast}`;
    const range = `${row.min.toFixed(2)} to ${row.max.toFixed(2)}`;
    console.log(
      `${row.name.padEnd(40)} ${row.median.toFixed(2).padStart(6)}  (${range})`.padEnd(66) +
        `aim ${aim} ${isMet(row) ? "met   " : "missed"}  ${row.ratio}: ${row.figures}`,
    );
    rows.push(row);
  }
}

async function withAgent(env: Readonly<Record<string, string>>, run: (agent: Agent) => Promise<void>) {
  const agent = await startAgent(env);
  try {
    await run(agent);
  } finally {
    await agent.stop();
  }
}

const dataDirectory = await mkdtemp(join(tmpdir(), "licentric-bench-"));
const echo = await startChild("serve-echo.ts");
try {
  await withAgent({ BENCH_DATA_DIRECTORY: dataDirectory }, async (agent) => {
    add(await inMemory(agent));
    add([await oneRequest(agent)]);
    add(await underLoad("embedded", agent, echo));
  });
  if (databaseUrl === undefined) {
    console.log("PostgreSQL: not measured; LICENTRIC_BENCH_DATABASE_URL names no database");
  } else {
    await withAgent({ BENCH_DATABASE_URL: databaseUrl }, async (agent) =>
      add(await underLoad("PostgreSQL", agent, echo)),
    );
  }
} finally {
  await echo.stop();
  await rm(dataDirectory, { recursive: true, force: true });
}

const machine = { node: process.version, cores: cpus().length, cpu: cpus()[0]?.model };
await writeFile("bench-results.json", `${JSON.stringify({ machine, rows }, null, 2)}\n`);
console.log(`\n${machine.cores} cores, Node ${machine.node}; written to bench-results.json`);

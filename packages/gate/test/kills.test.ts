import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { stagePackages } from "../../../scripts/packages/staged-packages.ts";
import { Licentric } from "../../sdk/src/index.ts";
import { openDatabase } from "../../server/src/index.ts";
import { type Killable, startKillable } from "./killable.ts";
import { scratchFolder } from "./paid.ts";
import { type Outcome, type PaidLoad, startPaidLoad, TOOLS } from "./paid-load.ts";
import { until } from "./support.ts";

// `.ci/full` kills them more often.
const ROUNDS = Math.ceil(Number(process.env["LICENTRIC_TEST_KILLS"] ?? 12) / 3);
const CLIENTS = 4;
/** Seconds after which what was reserved for a call is free again, whoever has died. */
const RESERVE_FOR = 5;
const METERS = { by_call: "api_calls", by_success: "tokens", by_reserve: "rows" } as const;

let staged: string;
beforeAll(async () => {
  // Builds every package, unless this was done.
  staged = await stagePackages();
}, 600_000);

/** Everything that takes part, each in a process of its own. */
interface Stage {
  readonly api: Killable;
  readonly gate: Killable;
  readonly token: string;
  readonly dataDirectory: string;
  /** What the upstream's processes have written down. */
  ledger(): readonly { readonly what: string; readonly n: number; readonly pid: number }[];
}

async function setUp(reserveFor: number): Promise<Stage> {
  const folder = scratchFolder();
  const [dataDirectory, ledger] = [join(folder, "data"), join(folder, "ledger")];
  const api = await startKillable({
    staged,
    program: "licentric/dist/bin.js",
    args: (port) => ["dev", "--json", "--port", String(port), "--data-dir", dataDirectory],
    cwd: folder,
    env: { LICENTRIC_RATE_LIMITS: "false" },
    ready: /\{"url":"([^"]+)".*\}/,
  });
  const { apiKey, agentToken } = JSON.parse(/\{.*\}/.exec(api.said)?.[0] ?? "{}");
  const client = new Licentric({ apiKey, baseUrl: api.url });
  for (const name of [METERS.by_success, METERS.by_reserve]) await client.meters.create({ name });
  await client.close();
  const program = fileURLToPath(new URL("./servers/ledger-server.mjs", import.meta.url));
  const config = {
    upstream: { command: process.execPath, args: [program], env: { LEDGER: ledger } },
    baseUrl: api.url,
    receipts: true,
    tools: {
      by_call: { meterName: METERS.by_call },
      by_success: { meterName: METERS.by_success, charge: "success" },
      by_reserve: { meterName: METERS.by_reserve, charge: "reserve", reserveFor },
    },
  };
  writeFileSync(join(folder, "licentric.gate.json"), JSON.stringify(config));
  const gate = await startKillable({
    staged,
    program: "@licentric/gate/dist/bin.js",
    args: (port) => ["--port", String(port)],
    cwd: folder,
    ready: /Agents call (\S+)\./,
  });
  const lines = () => (existsSync(ledger) ? readFileSync(ledger, "utf8").split("\n").slice(0, -1) : []);
  return {
    api,
    gate,
    token: agentToken,
    dataDirectory,
    ledger: () =>
      lines().map((line) => {
        const [what = "", n, pid] = line.split(" ");
        return { what, n: Number(n), pid: Number(pid) };
      }),
  };
}

/** Waits until calls of each kind are acknowledged once more. */
async function goesOn(load: PaidLoad): Promise<void> {
  const before = TOOLS.map((tool) => load.acknowledged(tool));
  await until(() => TOOLS.every((tool, index) => load.acknowledged(tool) > (before[index] ?? 0)), 60_000);
}

/** Kills a process of the upstream that is in the middle of a call. */
async function killUpstream({ ledger }: Stage): Promise<void> {
  const inTheMiddle = () => {
    const all = ledger();
    const ended = new Set(all.filter(({ what }) => what === "ended").map(({ n }) => n));
    return all.findLast(({ what, n }) => what === "began" && !ended.has(n))?.pid;
  };
  let killed = false;
  await until(() => {
    const pid = inTheMiddle();
    if (pid === undefined) return false;
    try {
      process.kill(pid, "SIGKILL");
      killed = true;
    } catch {
      // It is one that has died with an earlier gate.
    }
    return killed;
  });
}

/** Kills the API, and starts it again when calls were refused for that. */
async function killApi({ api }: Stage, { outcomes }: PaidLoad): Promise<void> {
  const refused = () => outcomes.filter(({ kind }) => kind === "unavailable").length;
  const before = refused();
  await api.kill();
  await until(() => refused() > before, 60_000);
  await api.restart();
}

async function killGate({ gate }: Stage): Promise<void> {
  await gate.kill();
  await gate.restart();
}

interface Books {
  /** The usage events of a tool's meter: how often each key is recorded, and how many units. */
  readonly events: ReadonlyMap<
    Outcome["tool"],
    readonly { readonly key: string; readonly quantity: number }[]
  >;
  /** Reservations that hold units of a budget. */
  held(): Promise<number>;
  close(): Promise<void>;
}

/** Opens the books of an API that has stopped. */
async function openBooks(dataDirectory: string): Promise<Books> {
  const db = await openDatabase({ dataDirectory });
  const rows = await db.query<{ name: string; key: string; quantity: string }>(
    `SELECT m.name, e.idempotency_key AS key, e.quantity::text AS quantity
     FROM metered_events e JOIN meters m ON m.id = e.meter_id`,
    [],
  );
  const of = (tool: Outcome["tool"]) =>
    rows
      .filter(({ name }) => name === METERS[tool])
      .map(({ key, quantity }) => ({ key, quantity: Number(quantity) }));
  return {
    events: new Map(TOOLS.map((tool) => [tool, of(tool)])),
    async held() {
      const [row] = await db.query<{ count: string }>(
        "SELECT count(*)::text AS count FROM reservations WHERE status = 'held' AND expires_at > now()",
        [],
      );
      return Number(row?.count);
    },
    close: () => db.close(),
  };
}

/** Compares what clients saw and what the upstream ran with what is billed. */
function compare(outcomes: readonly Outcome[], { events }: Books, ran: readonly number[]): void {
  expect(new Set(ran).size).toBe(ran.length);
  for (const tool of TOOLS) {
    const billed = events.get(tool) ?? [];
    const of = (...kinds: Outcome["kind"][]) =>
      outcomes.filter((outcome) => outcome.tool === tool && kinds.includes(outcome.kind));
    const acknowledged = of("acknowledged");
    const receipts = acknowledged.flatMap(({ keys }) => keys);
    // Each acknowledged call ran, and is on one event of its own.
    for (const { n, keys } of acknowledged) {
      expect(ran).toContain(n);
      expect(keys).toHaveLength(1);
    }
    expect(new Set(receipts).size).toBe(receipts.length);
    const keys = billed.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { quantity } of billed) expect(quantity).toBe(1);
    for (const key of receipts) expect(keys).toContain(key);
    // What else is billed was said to be, or its client could not be told.
    const others = keys.length - receipts.length;
    expect(others).toBeGreaterThanOrEqual(of("billed").length);
    expect(others).toBeLessThanOrEqual(of("billed", "lost", "unavailable").length);
    for (const { n } of of("unsent")) expect(ran).not.toContain(n);
  }
}

describe.each([
  { fate: "its server", rounds: ROUNDS, reserveFor: 3_600, strike: killUpstream },
  { fate: "the API", rounds: ROUNDS, reserveFor: RESERVE_FOR, strike: killApi },
  { fate: "the gate", rounds: ROUNDS, reserveFor: RESERVE_FOR, strike: killGate },
])("kill -9 of $fate in the middle of calls", ({ fate, rounds, reserveFor, strike }) => {
  it(`leaves books that agree with client and server, over ${rounds} rounds`, {
    timeout: 600_000,
  }, async () => {
    const stage = await setUp(reserveFor);
    const load = startPaidLoad(stage.gate.url, stage.token, CLIENTS);
    await goesOn(load);
    for (let round = 0; round < rounds; round++) {
      await strike(stage, load);
      await goesOn(load);
    }
    await load.stop();
    await stage.api.kill();
    const books = await openBooks(stage.dataDirectory);
    try {
      const ran = stage.ledger().filter(({ what }) => what === "began");
      compare(
        load.outcomes,
        books,
        ran.map(({ n }) => n),
      );
      const kinds = new Set(load.outcomes.map(({ kind }) => kind));
      // The death of a server is known to the gate alone, and told with what each call was billed.
      if (fate === "its server") {
        expect(load.outcomes.some(({ kind }) => kind === "billed" || kind === "unbilled")).toBe(true);
        for (const kind of ["lost", "unsent", "unavailable"] as const) expect(kinds).not.toContain(kind);
        expect(await books.held()).toBe(0);
      }
      await until(async () => (await books.held()) === 0);
    } finally {
      await books.close();
    }
  });
});

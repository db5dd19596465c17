import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, it, onTestFailed } from "vitest";
import { type Api, startApi } from "../test/api.ts";
import { type Answer, clients } from "./clients.ts";
import { type Framework, frameworks } from "./frameworks.ts";
import { type RunningServer, startServer } from "./running-server.ts";
import { startWeather, type Weather } from "./weather.ts";

// The real frameworks: a call goes through the framework's own transport, and afterwards the API's ledger is read.

const SCOPES = ["mcp:invoke", "weather:read"];

let api: Api;
let weather: Weather;
/** The agent whose token is in the environment of every server, and who must never pay for a call over HTTP. */
let bait: { agentId: string; token: string };
beforeAll(async () => {
  [api, weather] = await Promise.all([startApi(), startWeather()]);
  bait = await api.authorize(SCOPES);
});
afterAll(async () => {
  await weather?.close();
  await api?.close();
});

const BOTH = ["v1", "v2"] as const;

/** How many cases of a framework went right, by the client's SDK. */
const passed = new Map<string, { v1?: number; v2?: number }>(frameworks.map(({ name }) => [name, {}]));

/** What a caller is, and what becomes of its call. */
interface Case {
  readonly name: string;
  /** Makes the caller; without one, nobody can be billed. */
  readonly caller?: () => Promise<{ agentId: string; token: string }>;
  readonly token?: string;
  /** Who has connected; the caller by default. */
  readonly connectedBy?: string;
  readonly tool?: string;
  readonly args?: Record<string, unknown>;
  /** What the client is told. A framework may refuse by itself, or wrap the sentence. */
  readonly says: RegExp;
}

const REFUSED: readonly Case[] = [
  { name: "no token", says: /needs an agent credential|401|[Uu]nauthorized/ },
  { name: "a bad token", token: "AGT-0123456789abcdef", says: /credential is not valid|401|[Uu]nauthorized/ },
  {
    name: "a missing scope",
    caller: () => api.authorize(["mcp:invoke"]),
    says: /does not allow this call/,
  },
  {
    name: "an empty budget",
    async caller() {
      const caller = await api.authorize(SCOPES);
      await api.client.budgets.create({
        agentId: caller.agentId,
        meterName: "api_calls",
        limit: 0,
        window: "day",
      });
      return caller;
    },
    says: /budget/,
  },
  { name: "bad arguments", caller: () => api.authorize(SCOPES), args: { city: 7 }, says: /./ },
  { name: "an unknown tool", caller: () => api.authorize(SCOPES), tool: "forcast", says: /./ },
];

describe.each(frameworks)("$name", (framework) => {
  // Awaited by every test, so that each fails where it does not start.
  let starting: Promise<RunningServer>;
  beforeAll(async () => {
    starting = startServer(framework, inject("nodes")[framework.node] ?? "", {
      LICENTRIC_BASE_URL: api.url,
      LICENTRIC_AGENT_TOKEN: bait.token,
      WEATHER_URL: weather.url,
    });
    await Promise.allSettled([starting]);
  });
  afterAll(() =>
    starting.then(
      (server) => server.stop(),
      () => undefined,
    ),
  );

  describe.each(framework.clients ?? BOTH)("client %s", (version) => {
    const call = clients[version];
    let city: string;
    let calls = 0;

    /** What a call came to: what the client was told, how often the handler ran, and who was billed for what. */
    async function outcomeOf(one: Omit<Case, "says">) {
      const server = await starting;
      onTestFailed(() => console.error(server.output()));
      city = `${framework.name} ${version} ${++calls}`;
      const caller = await one.caller?.();
      const args = one.args ?? { city };
      const token = caller?.token ?? one.token;
      const tokens = { connect: one.connectedBy ?? token, call: token };
      const told = await call(server.url, tokens, one.tool ?? "forecast", args);
      return {
        told,
        ran: weather.asked(city) + weather.asked("7"),
        billed: caller === undefined ? 0 : await api.billed(caller.agentId),
        baitBilled: await api.billed(bait.agentId),
      };
    }

    it("bills a good call once", async () => {
      const outcome = await outcomeOf({ name: "", caller: () => api.authorize(SCOPES) });
      expect(outcome).toEqual({ told: success(), ran: 1, billed: 1, baitBilled: 0 });
      count();
    });

    it("bills a call to the agent that makes it, whoever has connected", async () => {
      const other = await api.authorize(SCOPES);
      const outcome = await outcomeOf({
        name: "",
        caller: () => api.authorize(SCOPES),
        connectedBy: other.token,
      });
      expect(outcome).toEqual({ told: success(), ran: 1, billed: 1, baitBilled: 0 });
      expect(await api.billed(other.agentId)).toBe(0);
      count();
    });

    it.each(REFUSED)("does not run or bill $name", async ({ says, ...one }) => {
      const outcome = await outcomeOf(one);
      expect(outcome).toEqual({ told: failure(says), ran: 0, billed: 0, baitBilled: 0 });
      count();
    });

    function count(): void {
      const counts = passed.get(framework.name);
      if (counts !== undefined) counts[version] = (counts[version] ?? 0) + 1;
    }

    const success = (): Answer => ({ isError: false, text: expect.stringContaining(`Sun in ${city}`) });
    const failure = (says: RegExp): Answer => ({ isError: true, text: expect.stringMatching(says) });
  });
});

it("has programs that compile", async () => {
  const tsc = join(import.meta.dirname, "../../../node_modules/typescript/lib/tsc.js");
  const compiled = promisify(execFile)(process.execPath, [tsc, "--project", import.meta.dirname, "--noEmit"]);
  const said = await compiled.then(
    () => "",
    (error: { stdout: string }) => error.stdout,
  );
  expect(said).toBe("");
}, 240_000);

// `pnpm compat -u` records what was found; the documentation has to say the same.
it("found what is recorded", async () => {
  const results = frameworks.map((framework) => ({
    name: framework.name,
    page: framework.page,
    version: versionOf(framework),
    charged: framework.charged,
    runtime: framework.runtime ?? `Node ${framework.node}`,
    passed: passed.get(framework.name),
    cases: REFUSED.length + 2,
  }));
  await expect(`${JSON.stringify(results, undefined, 2)}\n`).toMatchFileSnapshot("results.json");
});

function versionOf({ folder, package: name }: Framework): string {
  const manifest = join(import.meta.dirname, "frameworks", folder, "node_modules", name, "package.json");
  return JSON.parse(readFileSync(manifest, "utf8")).version;
}

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, inject, it, onTestFinished } from "vitest";
import { type Api, startApi } from "../../mcp/test/api.ts";
import type { GateConfig } from "../src/config/gate-config.ts";
import { openPaidGate } from "../test/paid.ts";

const SERVER = fileURLToPath(new URL("./server.mjs", import.meta.url));
const SUITE = fileURLToPath(
  new URL("./node_modules/@modelcontextprotocol/conformance/dist/index.js", import.meta.url),
);

let api: Api;
/** The server as it is, and what the suite says of it. */
let bare: { readonly url: string; readonly verdict: Verdict };
beforeAll(async () => {
  api = await startApi();
  const child = spawn(process.execPath, [SERVER, "http"], { stdio: ["ignore", "pipe", "inherit"] });
  stopServer = () => child.kill("SIGKILL");
  const [line]: unknown[] = await once(child.stdout, "data");
  const url = `http://127.0.0.1:${Number(String(line))}/mcp`;
  bare = { url, verdict: await judge(url) };
});
let stopServer: (() => void) | undefined;
afterAll(async () => {
  stopServer?.();
  await api?.close();
});

/** Scenarios that the suite has for servers. */
const SCENARIOS = 32;

/** What the suite says: the status of each check by its scenario and its id. */
type Verdict = Readonly<Record<string, Status>>;

/** From the worst to the best. */
const STATUSES = ["FAILURE", "WARNING", "SUCCESS"] as const;
type Status = (typeof STATUSES)[number];

/** Runs the whole suite on a server. */
async function judge(url: string): Promise<Verdict> {
  const folder = mkdtempSync(join(tmpdir(), "licentric-conformance-"));
  try {
    const args = [SUITE, "server", "--url", url, "--suite", "all", "-o", folder];
    // It ends with 1 where a check fails; what it says of each is compared.
    const output = await new Promise<string>((resolve) =>
      execFile(inject("suiteNode"), args, { cwd: folder }, (_, stdout, stderr) => resolve(stdout + stderr)),
    );
    const scenarios = readdirSync(folder);
    // One that the suite could not run to its end leaves no folder.
    if (scenarios.length < SCENARIOS) throw new Error(`the suite could not run all of it: ${output}`);
    return Object.fromEntries(scenarios.flatMap((name) => checksOf(scenarioOf(name), join(folder, name))));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Returns a scenario's name, whose folder has the time besides. */
function scenarioOf(folder: string): string {
  return folder.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT.*$/, "");
}

/** Reads the checks of a scenario, without what only tells of its messages. */
function checksOf(scenario: string, folder: string): [string, Status][] {
  const checks: readonly { id: string; status: string }[] = JSON.parse(
    readFileSync(join(folder, "checks.json"), "utf8"),
  );
  return checks.flatMap(({ id, status }): [string, Status][] => {
    const known = STATUSES.find((each) => each === status);
    return known === undefined ? [] : [[`${scenario}: ${id}`, known]];
  });
}

/** A proxy that adds an agent's token to every request, as the suite sends none. */
async function withToken(url: string, token: string): Promise<string> {
  const target = new URL(url);
  const proxy = createServer((incoming, outgoing) => {
    const { method = "GET", headers } = incoming;
    const options = { method, headers: { ...headers, authorization: `Bearer ${token}` } };
    const passed = httpRequest(target, options, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      outgoing.flushHeaders();
      response.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    outgoing.on("close", () => passed.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  const address = proxy.address();
  if (typeof address !== "object" || address === null) throw new Error("a TCP server has a port");
  return `http://127.0.0.1:${address.port}${target.pathname}`;
}

const PAID: Pick<GateConfig, "default"> = { default: { meterName: "api_calls" } };

it("passes the suite itself", () => {
  const statuses = Object.values(bare.verdict);
  expect(statuses).not.toContain("FAILURE");
  expect(statuses.filter((status) => status === "SUCCESS").length).toBeGreaterThan(40);
});

it.each([
  ["over HTTP", () => ({ url: bare.url })],
  ["over stdio", () => ({ command: process.execPath, args: [SERVER] })],
] as const)("is judged behind a paid gate no worse than without one: %s", async (_, upstream) => {
  const { agentId, token } = await api.authorize();
  const gate = await openPaidGate(api, { upstream: upstream(), ...PAID });
  const verdict = await judge(await withToken(gate.url, token));
  expect(Object.keys(verdict).toSorted()).toEqual(Object.keys(bare.verdict).toSorted());
  // The gate's own streams can be resumed from their beginning on, which of the server's are those of new clients alone.
  const rank = (status: Status = "FAILURE") => STATUSES.indexOf(status);
  const worse = Object.entries(bare.verdict).filter(([name, status]) => rank(verdict[name]) < rank(status));
  expect(worse).toEqual([]);
  expect(await api.billed(agentId)).toBeGreaterThan(10);
});

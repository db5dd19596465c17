import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, inject, it } from "vitest";
import { createPaywall } from "../src/index.ts";
import { fileJournal } from "../src/journal.ts";
import { startApi } from "./api.ts";
import { startStandIn } from "./stand-in.ts";

/** Who counts what was billed. */
interface Backend {
  readonly url: string;
  readonly apiKey: string;
  readonly token: string;
  billed(): Promise<number>;
  /** What befalls it, one after the other, at equal parts of the calls. */
  readonly fates: readonly (() => Promise<void>)[];
  close(): Promise<void>;
}

const nothing = async () => undefined;

async function standIn(): Promise<Backend> {
  const api = await startStandIn();
  const fail = (fault: typeof api.always) => async () => {
    api.always = fault;
  };
  return {
    url: api.url,
    apiKey: "lk_test_0123456789abcdef",
    token: api.ledger.authorize("agt_1"),
    billed: async () => api.ledger.usage.reduce((sum, { quantity }) => sum + quantity, 0),
    fates: [nothing, fail("drop-answer"), fail("drop-request"), nothing, fail(undefined)],
    close: api.close,
  };
}

async function realApi(): Promise<Backend> {
  const api = await startApi();
  const { agentId, token } = await api.authorize();
  return {
    url: api.url,
    apiKey: api.apiKey,
    token,
    billed: () => api.billed(agentId),
    // It comes up again on the same data.
    fates: [nothing, api.stop, nothing, api.start, nothing],
    close: api.close,
  };
}

// `.ci/full` kills them more often.
const ROUNDS = Number(process.env["LICENTRIC_TEST_KILLS"] ?? 20);

describe.each([
  { name: "a stand-in", start: standIn, rounds: ROUNDS, calls: 10_000 },
  { name: "the real API", start: realApi, rounds: 10, calls: 5_000 },
])("counted by $name", ({ start, rounds, calls }) => {
  it(`bills what was served, over ${rounds} rounds of kill -9`, { timeout: 300_000 }, async () => {
    const backend = await start();
    const directory = await mkdtemp(join(tmpdir(), "licentric-crash-"));
    const journal = join(directory, "journal");
    let served = 0;

    async function round(): Promise<void> {
      // A file keeps what was said before the death; a pipe would lose what nobody had read yet.
      const path = join(directory, `${randomUUID()}.served`);
      const said = await open(path, "a");
      const child = spawn(process.execPath, [inject("paywallPrograms")["background-process"], journal], {
        env: {
          ...process.env,
          LICENTRIC_BASE_URL: backend.url,
          LICENTRIC_API_KEY: backend.apiKey,
          LICENTRIC_AGENT_TOKEN: backend.token,
        },
        stdio: ["ignore", said.fd, "inherit"],
      });
      const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      const until = 1 + Math.floor(Math.random() * 200);
      const sayings = async () => (await said.stat()).size / "served\n".length;
      while (child.exitCode === null && (await sayings()) < until) await setTimeout(2);
      child.kill("SIGKILL");
      await exited;
      expect(child.signalCode).toBe("SIGKILL");
      const mine = await sayings();
      served += mine;
      await said.close();
    }

    // Several processes at a time share the directory, as they may.
    for (let index = 0; index < rounds; index += 2) await Promise.all([round(), round()]);

    const paywall = createPaywall({
      baseUrl: backend.url,
      apiKey: backend.apiKey,
      metering: "background",
      journal: fileJournal({ directory: journal }),
    });
    await expect.poll(backend.billed, { timeout: 60_000, interval: 200 }).toBeGreaterThanOrEqual(served);
    await paywall.close();
    // A call may die between its journal entry and the line that says it was served: at most one of each process.
    const unserved = (await backend.billed()) - served;
    expect(unserved).toBeGreaterThanOrEqual(0);
    expect(unserved).toBeLessThanOrEqual(rounds);
    await backend.close();
    await rm(directory, { recursive: true, force: true });
  });

  it(`bills what was served through an outage in ${calls} calls`, { timeout: 200_000 }, async () => {
    const backend = await start();
    const directory = await mkdtemp(join(tmpdir(), "licentric-outage-"));
    const paywall = createPaywall({
      baseUrl: backend.url,
      apiKey: backend.apiKey,
      metering: "background",
      verification: { cacheTtl: 60_000 },
      onUnavailable: "allow",
      journal: fileJournal({ directory, flushInterval: 50 }),
      token: () => backend.token,
    });
    let served = 0;
    const handler = paywall.tool({ meterName: "api_calls", name: "t" }, async (_context: object) => ({
      content: ["ran"],
    }));
    for (const fate of backend.fates) {
      // The calls go on while the API goes down or comes up.
      const befallen = fate();
      for (let index = 0; index < calls / backend.fates.length; index += 50) {
        const results = await Promise.all(Array.from({ length: 50 }, () => handler({})));
        served += results.filter(({ content }) => content[0] === "ran").length;
      }
      await befallen;
    }
    expect(served).toBe(calls);
    await paywall.close({ timeout: 60_000 });
    expect(await backend.billed()).toBe(served);
    await backend.close();
    await rm(directory, { recursive: true, force: true });
  });
});

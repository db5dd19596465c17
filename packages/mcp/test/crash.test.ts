import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createPaywall } from "../src/index.ts";
import { startStandIn } from "./stand-in.ts";

const API_KEY = "lk_test_0123456789abcdef";
const ROUNDS = 50;

it(`bills what was served, over ${ROUNDS} rounds of kill -9`, { timeout: 300_000 }, async () => {
  const api = await startStandIn();
  const directory = await mkdtemp(join(tmpdir(), "licentric-crash-"));
  const token = api.ledger.authorize("agt_1");
  let served = 0;

  async function round(): Promise<void> {
    const child = spawn(
      process.execPath,
      ["--import", "tsx", fileURLToPath(new URL("background-process.ts", import.meta.url)), directory],
      {
        env: {
          ...process.env,
          LICENTRIC_BASE_URL: api.url,
          LICENTRIC_API_KEY: API_KEY,
          LICENTRIC_AGENT_TOKEN: token,
        },
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const exited = new Promise((resolve) => child.once("close", resolve));
    let mine = 0;
    const until = 1 + Math.floor(Math.random() * 200);
    child.stdout.on("data", (chunk: Buffer) => {
      mine += chunk.toString().split("served\n").length - 1;
      if (mine >= until) child.kill("SIGKILL");
    });
    await exited;
    served += mine;
  }

  // Several processes at a time share the directory, as they may.
  for (let index = 0; index < ROUNDS; index += 2) await Promise.all([round(), round()]);

  const paywall = createPaywall({
    baseUrl: api.url,
    apiKey: API_KEY,
    metering: "background",
    journal: { directory },
  });
  await expect
    .poll(async () => api.ledger.usage.length, { timeout: 60_000, interval: 200 })
    .toBeGreaterThanOrEqual(served);
  await paywall.close();
  const billed = api.ledger.usage.length;
  // A call may die between its journal entry and the line that says it was served: at most one of each process.
  expect(billed - served).toBeGreaterThanOrEqual(0);
  expect(billed - served).toBeLessThanOrEqual(ROUNDS);
  expect(new Set(api.ledger.usage.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(billed);
  await api.close();
  await rm(directory, { recursive: true, force: true });
});

it("bills what was served through an outage in 10,000 calls", { timeout: 200_000 }, async () => {
  const api = await startStandIn();
  const directory = await mkdtemp(join(tmpdir(), "licentric-outage-"));
  const token = api.ledger.authorize("agt_1");
  const paywall = createPaywall({
    baseUrl: api.url,
    apiKey: API_KEY,
    metering: "background",
    verification: { cacheTtl: 60_000 },
    onUnavailable: "allow",
    journal: { directory, flushInterval: 50 },
    token: () => token,
  });
  let served = 0;
  const handler = paywall.tool({ meterName: "api_calls", name: "t" }, async (_context: object) => ({
    content: ["ran"],
  }));
  for (let index = 0; index < 10_000; index += 50) {
    if (index === 2_000) api.always = "drop-answer";
    if (index === 4_000) api.always = "drop-request";
    if (index === 8_000) api.always = undefined;
    const results = await Promise.all(Array.from({ length: 50 }, () => handler({})));
    served += results.filter(({ content }) => content[0] === "ran").length;
  }
  expect(served).toBe(10_000);
  await paywall.close({ timeout: 60_000 });
  expect(api.ledger.usage.reduce((sum, { quantity }) => sum + quantity, 0)).toBe(served);
  await api.close();
  await rm(directory, { recursive: true, force: true });
});

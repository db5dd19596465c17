import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Licentric } from "@licentric/sdk";
import { openDatabase } from "@licentric/server";
import { afterAll, beforeAll, expect, it } from "vitest";
import { prepareDatabase } from "../../server/test/support/prepared-database.ts";
import { killRunning, licentric } from "./support/licentric.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-cli-check-"));
});
afterAll(async () => {
  await killRunning();
  await rm(directory, { recursive: true, force: true });
});

it("licentric usage check finds every total that is not the sum of its events", {
  timeout: 120_000,
}, async () => {
  const dataDirectory = join(directory, "data");
  const check = (...args: string[]) =>
    licentric(["usage", "check", "--data-dir", dataDirectory, ...args]).ended();
  expect(await check()).toMatchObject({ code: 2, stderr: expect.stringContaining(dataDirectory) });
  expect(await readdir(directory)).toEqual([]);

  await prepareDatabase(dataDirectory);
  const dev = licentric(["dev", "--json", "--port", "0", "--data-dir", dataDirectory]);
  const { url, apiKey } = JSON.parse(await dev.firstLine());
  const client = new Licentric({ apiKey, baseUrl: url });
  const agent = await client.agents.create({ name: "counted" });
  for (const quantity of [3, 4]) {
    await client.usage.record({ agentId: agent.id, meterName: "api_calls", quantity });
  }
  await client.close();
  expect(await check()).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`${dataDirectory} is open in another process`),
  });
  dev.child.kill("SIGTERM");
  await dev.ended();

  expect(await check()).toMatchObject({ code: 0, stdout: "Every total is the sum of its events.\n" });
  expect(JSON.parse((await check("--json")).stdout)).toEqual({ differences: [] });

  const db = await openDatabase({ dataDirectory });
  await db.query("UPDATE usage_totals SET quantity = quantity + 5");
  await db.close();
  const told = await check();
  expect(told).toMatchObject({ code: 1, stderr: "" });
  expect(told.stdout).toMatch(new RegExp(`${agent.id} +api_calls +\\S+ +12 in 2 +7 in 2\\n`));
  const { stdout, code } = await check("--json");
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    differences: [
      {
        agentId: agent.id,
        meterName: "api_calls",
        kept: { quantity: "12", eventCount: "2" },
        computed: { quantity: "7", eventCount: "2" },
      },
    ],
  });
});

it("licentric usage archive writes a month into a file, and removes it only when nothing needs it any more", {
  timeout: 120_000,
}, async () => {
  const dataDirectory = join(directory, "archived");
  await prepareDatabase(dataDirectory);
  const dev = licentric(["dev", "--json", "--port", "0", "--data-dir", dataDirectory]);
  const { url, apiKey } = JSON.parse(await dev.firstLine());
  const client = new Licentric({ apiKey, baseUrl: url });
  const agent = await client.agents.create({ name: "counted" });
  const { event } = await client.usage.record({ agentId: agent.id, meterName: "api_calls", quantity: 3 });
  await client.close();
  dev.child.kill("SIGTERM");
  await dev.ended();

  const to = join(directory, "files");
  const month = event.createdAt?.slice(0, 7) ?? "";
  const archive = (...args: string[]) =>
    licentric(["usage", "archive", ...args, "--data-dir", dataDirectory, "--to", to]).ended();
  expect(await archive(month)).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
  const early = await archive(month, "--yes");
  expect(early).toMatchObject({ code: 1, stderr: expect.stringContaining("idempotency keys are gone") });
  expect(await archive("soon", "--yes")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("not a month"),
  });
  const exported = await archive(month, "--export-only");
  expect(exported).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^1 event in .*\.csv\.gz\nSHA-256 /),
  });
  const { file, eventCount, removed } = JSON.parse((await archive(month, "--export-only", "--json")).stdout);
  expect({ eventCount, removed }).toEqual({ eventCount: 1, removed: false });
  const lines = gunzipSync(await readFile(file))
    .toString()
    .split("\n");
  expect(lines[1]).toContain(`${event.id},`);
});

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connectHttp } from "../examples/testing/src/connect.ts";
import { prepareDatabase } from "../packages/server/test/support/prepared-database.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const command = ["--import", "tsx", "scripts/example.ts"];
let env: NodeJS.ProcessEnv;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-examples-"));
  const dataDirectory = join(directory, "data");
  await prepareDatabase(dataDirectory);
  env = { ...process.env, LICENTRIC_DATA_DIR: dataDirectory, PORT: "0" };
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it("runs a server with an API and a token, and bills the month for what it was used", {
  timeout: 240_000,
}, async () => {
  const serving = spawn(process.execPath, [...command, "weather-v2"], { cwd: root, env });
  let printed = "";
  for (const stream of [serving.stdout, serving.stderr]) stream.on("data", (chunk) => (printed += chunk));
  await expect.poll(() => printed, { timeout: 120_000 }).toMatch(/\/mcp\n/);
  const [, token] = /LICENTRIC_AGENT_TOKEN=(AGT-\S+)/.exec(printed) ?? [];
  const [url = ""] = /http:\S+\/mcp/.exec(printed) ?? [];
  const agent = await connectHttp(new URL(url), token);
  expect(await agent.call("history", { city: "Oslo", days: 7 })).toMatchObject({ isError: false });
  await agent.close();
  serving.kill("SIGTERM");
  expect(await once(serving, "close")).toEqual([0, null]);

  const monthEnd = async (...args: string[]) =>
    (await promisify(execFile)(process.execPath, [...command, "month-end", ...args], { cwd: root, env }))
      .stdout;
  const [, periodId = ""] = /early, add (\S+)\.$/m.exec(await monthEnd()) ?? [];
  expect(await monthEnd(periodId)).toMatch(/Examples: 0\.07 USD \(computed\)/);
});

it("says which examples there are", { timeout: 60_000 }, async () => {
  const failed = await promisify(execFile)(process.execPath, [...command, "nope"], { cwd: root, env }).catch(
    (error: unknown) => error,
  );
  expect(failed).toMatchObject({ code: 2, stderr: expect.stringMatching(/One of: .*month-end.*weather-v2/) });
});

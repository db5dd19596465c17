import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { killRunning, licentric, run } from "./support/licentric.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "licentric-cli-gate-"));
});
afterAll(async () => {
  await killRunning();
  await rm(folder, { recursive: true, force: true });
});

const source = fileURLToPath(new URL("../src/bin.ts", import.meta.url));

it("licentric gate says the one command where the gate is not installed", { timeout: 60_000 }, async () => {
  const fromSource = [process.execPath, "--import", import.meta.resolve("tsx"), source];
  const args = ["gate", "--port", "0", "--", "uvx", "a server"];
  const { code, stderr } = await run([...fromSource, ...args], {}, { cwd: folder }).ended();
  expect(code).toBe(2);
  expect(stderr).toBe(
    "licentric: @licentric/gate is not installed here. This runs it without: npx @licentric/gate --port 0 -- uvx 'a server'\n",
  );
});

it("licentric gate runs it where it is, with all that stands behind it, and takes its exit code", {
  timeout: 60_000,
}, async () => {
  const version = await licentric(["gate", "--version"]).ended();
  expect(version).toEqual({ stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: "", code: 0 });
  const missing = await licentric(["gate", "--port", "0", "--", "no-such-command-anywhere"]).ended();
  expect(missing.code).toBe(5);
  expect(missing.stderr).toContain('licentric-gate: "no-such-command-anywhere" was not found');
});

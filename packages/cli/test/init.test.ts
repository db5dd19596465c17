import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandLine, killRunning, licentric, run } from "./support/licentric.ts";

const packageDirectory = fileURLToPath(new URL("..", import.meta.url));
const typescript = createRequire(import.meta.url)
  .resolve("typescript-native/package.json")
  .replace(/package\.json$/, "bin/tsc");

let directory: string;
let starter: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-cli-init-"));
  starter = join(directory, "Word Shop");
  const { code, stdout, stderr } = await licentric(["init", starter]).ended();
  if (code !== 0) throw new Error(stderr);
  expect(stdout).toContain("npm install");
  // In place of `npm install`: the packages of this workspace.
  await symlink(join(packageDirectory, "node_modules"), join(starter, "node_modules"));
}, 60_000);
afterAll(async () => {
  await killRunning();
  await rm(directory, { recursive: true, force: true });
});

describe("licentric init", { timeout: 180_000 }, () => {
  it("writes a whole project under the folder's own name", async () => {
    const files = (await readdir(starter)).filter((name) => name !== "node_modules").sort();
    expect(files).toEqual([".gitignore", "README.md", "package.json", "src", "test", "tsconfig.json"]);
    expect(JSON.parse(await readFile(join(starter, "package.json"), "utf8"))).toMatchObject({
      name: "word-shop",
    });
    expect(await readFile(join(starter, "README.md"), "utf8")).toMatch(/^# word-shop\n/);
  });

  it("writes what type-checks", async () => {
    const typeRoots = fileURLToPath(new URL("../../../node_modules/@types", import.meta.url));
    // Beside the starter a file that does not: were nothing checked, this would not be found either.
    const wrong = join(starter, "src/wrong.ts");
    await writeFile(wrong, 'export const quantity: number = "one";\n');
    const checked = await run(
      [process.execPath, typescript, "--typeRoots", typeRoots],
      {},
      { cwd: starter },
    ).ended();
    await rm(wrong);
    // The workspace's own sources, which users have as declarations, are checked with its settings, not with these.
    const found = checked.stdout.split("\n").filter((line) => line.startsWith("src/"));
    expect(found).toEqual([expect.stringMatching(/^src\/wrong\.ts\(1,14\): error TS2322/)]);
  });

  it("writes a server, a client and a test, which make paid calls, shown as they come", async () => {
    const test = ["--import", import.meta.resolve("tsx"), "--test", "test/server.test.ts"];
    const args = ["dev", "--port", "0", "--data-dir", ".licentric/test", "--", process.execPath, ...test];
    const { stdout, stderr, code } = await run([...commandLine, ...args], {}, { cwd: starter }).ended();
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(stdout).toContain("pass 2");
    expect(stdout.match(/charged {2}1 api_calls {2}agent /g)).toHaveLength(1);
  });

  it("writes a program that serves the tool beside the API, and ends with it", async () => {
    const main = ["--import", import.meta.resolve("tsx"), "src/main.ts"];
    const args = ["dev", "--json", "--port", "0", "--", process.execPath, ...main];
    const dev = run([...commandLine, ...args], { PORT: "0" }, { cwd: starter });
    await expect.poll(() => dev.output.stdout, { timeout: 60_000 }).toContain("MCP server on http://");
    const url = /MCP server on (\S+)/.exec(dev.output.stdout)?.[1] ?? "";
    const call = [
      "--import",
      import.meta.resolve("tsx"),
      "--env-file=.licentric/env",
      "src/call.ts",
      "a",
      "b",
    ];
    const called = await run([process.execPath, ...call], { MCP_URL: url }, { cwd: starter }).ended();
    expect(called).toEqual({ stdout: "2 words\n", stderr: "", code: 0 });
    // In the folder of `licentric dev`, a command needs no variables.
    const totals = await run([...commandLine, "usage", "totals", "--json"], {}, { cwd: starter }).ended();
    expect(JSON.parse(totals.stdout)).toEqual([{ meterName: "api_calls", quantity: 1, eventCount: 1 }]);
    dev.child.kill("SIGTERM");
    expect((await dev.ended()).code).toBe(0);
  });

  it("asks for versions that this release is made with", async () => {
    const manifest = async (path: string) =>
      JSON.parse(await readFile(path.startsWith("/") ? path : join(packageDirectory, path), "utf8"));
    const { dependencies, devDependencies } = await manifest(join(starter, "package.json"));
    const wanted: Record<string, string> = { ...dependencies, ...devDependencies };
    for (const name of [
      "@licentric/mcp",
      "@licentric/sdk",
      "@modelcontextprotocol/client",
      "@modelcontextprotocol/node",
      "@modelcontextprotocol/server",
      "zod",
    ]) {
      const { version } = await manifest(`node_modules/${name}/package.json`);
      const [major, minor] = version.split(".");
      expect(wanted[name], name).toMatch(new RegExp(`^\\^${major}\\.${minor === "0" ? "" : "\\d+"}`));
      if (major === "0") expect(wanted[name]).toMatch(new RegExp(`^\\^0\\.${minor}\\.`));
    }
    expect(wanted["licentric"]).toBe(`^${(await manifest("package.json")).version}`);
  });

  it("overwrites nothing", async () => {
    const taken = join(directory, "taken");
    await mkdir(taken);
    await writeFile(join(taken, "notes.txt"), "mine");
    expect(await licentric(["init", taken]).ended()).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("not empty"),
    });
    expect(await readdir(taken)).toEqual(["notes.txt"]);
  });
});

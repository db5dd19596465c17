import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApi } from "./support/api.ts";
import { killRunning, licentric, run } from "./support/licentric.ts";

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
    expect(files).toEqual([".gitignore", "README.md", "package.json", "src", "tsconfig.json"]);
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

  it("writes a server whose tool is paid for, and refused without a token", async () => {
    const api = await startApi();
    const { id } = await api.client.agents.create({ name: "reader" });
    const { token } = await api.client.mcp.authorize(id, { scopes: ["mcp:invoke"] });
    const server = run(
      [process.execPath, "--import", import.meta.resolve("tsx"), join(starter, "src/server.ts")],
      { LICENTRIC_BASE_URL: api.url, PORT: "0" },
    );
    const url = /http:\S+/.exec(await server.firstLine())?.[0] ?? "";

    const call = async (headers: Record<string, string>) => {
      const client = new Client({ name: "test", version: "1.0.0" });
      await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
      const result = await client.callTool({ name: "word_count", arguments: { text: "one two  three" } });
      await client.close();
      return result;
    };
    expect(await call({ authorization: `Bearer ${token.reveal()}` })).toMatchObject({
      content: [{ type: "text", text: "3 words" }],
    });
    expect(await call({})).toMatchObject({ isError: true });
    expect(await api.json("usage", "totals")).toEqual([
      { meterName: "api_calls", quantity: 1, eventCount: 1 },
    ]);
    server.child.kill("SIGTERM");
    expect((await server.ended()).code).toBe(0);
    await api.close();
  });

  it("asks for versions that this release is made with", async () => {
    const manifest = async (path: string) =>
      JSON.parse(await readFile(path.startsWith("/") ? path : join(packageDirectory, path), "utf8"));
    const { dependencies, devDependencies } = await manifest(join(starter, "package.json"));
    const wanted: Record<string, string> = { ...dependencies, ...devDependencies };
    for (const name of [
      "@licentric/mcp",
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

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { killRunning, licentric } from "./support/licentric.ts";

const Coverage = z.object({ result: z.array(z.object({ url: z.string() })) });

/** What every command may load: it takes a few milliseconds. */
const LIGHT: ReadonlySet<string> = new Set(["commander", "fast-string-width", "fast-string-truncated-width"]);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-cli-start-up-"));
});
afterAll(async () => {
  await killRunning();
  await rm(directory, { recursive: true, force: true });
});

/** The packages of which a command loads anything, its own left out. V8's coverage names every script. */
async function packagesLoadedBy(args: readonly string[], env: Record<string, string> = {}) {
  const coverage = await mkdtemp(join(directory, "coverage-"));
  const ended = await licentric(args, { ...env, NODE_V8_COVERAGE: coverage }).ended();
  const reports = (await readdir(coverage)).map((name) => readFile(join(coverage, name), "utf8"));
  const urls = (await Promise.all(reports)).flatMap((report) =>
    Coverage.parse(JSON.parse(report)).result.map(({ url }) => url),
  );
  const names = urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
  return { ended, packages: [...new Set(names)].filter((name) => name !== "licentric").toSorted() };
}

describe("a start of the command line", { timeout: 60_000 }, () => {
  it.each([
    [["--version"], 0],
    [["--help"], 0],
    [["agents", "create", "--help"], 0],
    [["help", "close"], 0],
    [["start", "--port=http"], 2],
    [["nonsense"], 2],
    [["agents", "list"], 3],
  ])("loads no client and no server for %j", async (args, code) => {
    const { ended, packages } = await packagesLoadedBy(args);
    expect(ended.code).toBe(code);
    expect(packages.filter((name) => !LIGHT.has(name))).toEqual([]);
  });

  it("loads the client and no server for a command that asks the API", async () => {
    const env = { LICENTRIC_API_KEY: "lk_test_0123456789abcdef", LICENTRIC_BASE_URL: "http://127.0.0.1:9" };
    const { ended, packages } = await packagesLoadedBy(["agents", "list"], env);
    expect(ended.code).toBe(5);
    expect(packages).toContain("@licentric/sdk");
    expect(packages).not.toEqual(expect.arrayContaining(["@licentric/server"]));
  });
});

describe("help", { timeout: 60_000 }, () => {
  it("says the same of a command, whether others are loaded or not", async () => {
    const [named, asked] = await Promise.all([
      licentric(["agents", "--help"]).ended(),
      licentric(["help", "agents"]).ended(),
    ]);
    expect(named.stdout).toContain("the callers of your tools");
    expect(named.stdout).toContain("create <name>");
    expect(asked).toEqual(named);
  });

  it("lists every command, and guesses at one that was mistyped", async () => {
    const { stdout } = await licentric(["--help"]).ended();
    for (const line of [/^ {2}authorize <agent> /m, /^ {2}backup \[file\] /m, /^ {2}completion <shell> /m]) {
      expect(stdout).toMatch(line);
    }
    expect((await licentric(["agnets"]).ended()).stderr).toContain("Did you mean agents?");
  });
});

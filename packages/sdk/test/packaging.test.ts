import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { HttpResponse, http } from "msw";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TEST_KEY, TEST_TOKEN } from "./client-for.ts";
import { type HandlerServer, serveHandlers } from "./serve-handlers.ts";

// The package as users get it: built, packed, and unpacked into an empty project.

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const contract = join(root, "../contract");
const bin = (name: string) => join(root, "node_modules", name);
// Where pnpm runs the tests, it says how to run itself.
const [pnpm, ...pnpmArguments] = /pnpm/.test(process.env["npm_execpath"] ?? "")
  ? [process.execPath, process.env["npm_execpath"] ?? ""]
  : ["npx", "-y", "pnpm@10"];

let project: string;
let server: HandlerServer;

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), "licentric-consumer-"));
  await run(pnpm ?? "", [...pnpmArguments, "run", "build"], { cwd: contract });
  await run(pnpm ?? "", [...pnpmArguments, "run", "build"], { cwd: root });
  for (const directory of [contract, root]) {
    await run(pnpm ?? "", [...pnpmArguments, "pack", "--pack-destination", project], { cwd: directory });
  }
  const modules = join(project, "node_modules");
  mkdirSync(join(modules, "@licentric"), { recursive: true });
  mkdirSync(join(modules, "@types"));
  for (const name of ["contract", "sdk"]) {
    const tarball = readdirSync(project).find((file) => file.startsWith(`licentric-${name}-`)) ?? "";
    mkdirSync(join(modules, "@licentric", name));
    await run("tar", ["-xzf", tarball, "--strip-components=1", "-C", join(modules, "@licentric", name)], {
      cwd: project,
    });
  }
  for (const name of ["undici", "zod", "@types/node"])
    symlinkSync(realpathSync(bin(name)), join(modules, name), "dir");
  cpSync(join(root, "test/consumer"), project, { recursive: true });

  server = await serveHandlers([
    http.post("*/api/v1/mcp/authorize", () =>
      HttpResponse.json({ data: { token: TEST_TOKEN } }, { status: 201 }),
    ),
    http.get("*/api/v1/agents/:id", () => HttpResponse.json({ error: "no such agent" }, { status: 404 })),
  ]);
}, 240_000);

afterAll(async () => {
  await server?.close();
  rmSync(project, { recursive: true, force: true });
});

describe("the packed package", () => {
  it("holds what it is built of and nothing else", () => {
    expect(readdirSync(join(project, "node_modules/@licentric/sdk")).toSorted()).toEqual([
      "LICENSE",
      "README.md",
      "dist",
      "package.json",
    ]);
  });

  it.each(["run.mjs", "run.cjs"])(
    "runs, and does not keep a finished script alive: %s",
    async (script) => {
      const env = { ...process.env, LICENTRIC_API_KEY: TEST_KEY, LICENTRIC_BASE_URL: server.url };
      const { stdout, stderr } = await run(process.execPath, [script], {
        cwd: project,
        env,
        timeout: 20_000,
      });
      expect(JSON.parse(stdout)).toEqual(["AGT-…ghij", true, true]);
      expect(stderr).toBe("");
    },
    30_000,
  );

  it.each([
    ["nodenext, as a module", { module: "nodenext" }, "module"],
    ["nodenext, as CommonJS", { module: "nodenext" }, "commonjs"],
    ["bundler", { module: "esnext", moduleResolution: "bundler" }, "module"],
  ])(
    "has the types that it promises: %s",
    async (_, options, type) => {
      writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type }));
      const compilerOptions = {
        target: "es2023",
        lib: ["es2023"],
        types: ["node"],
        strict: true,
        noEmit: true,
        exactOptionalPropertyTypes: true,
        ...options,
      };
      // Declarations of dependencies are theirs to check; ours are checked with the report of the public surface.
      writeFileSync(
        join(project, "tsconfig.json"),
        JSON.stringify({
          compilerOptions: { ...compilerOptions, skipLibCheck: true },
          files: ["surface.ts"],
        }),
      );
      const result = run(process.execPath, [bin("typescript/lib/tsc.js"), "-p", "."], { cwd: project });
      expect(
        await result.then(
          () => "",
          (error: { stdout: string }) => error.stdout,
        ),
      ).toBe("");
    },
    60_000,
  );

  it("has the public surface that etc/sdk.api.md reports; after a change: pnpm api:update", async () => {
    const result = run(process.execPath, [bin("@microsoft/api-extractor/bin/api-extractor"), "run"], {
      cwd: root,
    });
    expect(
      await result.then(
        () => "",
        (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
      ),
    ).toBe("");
  }, 60_000);
});

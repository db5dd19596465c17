import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { HttpResponse, http } from "msw";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Compilation,
  createProject,
  type Project,
  packPackages,
} from "../../../scripts/packages/packed-project.ts";
import { TEST_KEY, TEST_TOKEN } from "./client-for.ts";
import { type HandlerServer, serveHandlers } from "./serve-handlers.ts";

// The package as users get it: built, packed, and unpacked into an empty project.

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const bin = (name: string) => join(root, "node_modules", name);

let project: Project;
let server: HandlerServer;

beforeAll(async () => {
  const packed = await packPackages(["contract", "sdk"]);
  project = await createProject({
    packed,
    dependencies: ["@licentric/sdk", "@types/node"],
    from: root,
    files: join(root, "test/consumer"),
  });
  server = await serveHandlers([
    http.post("*/api/v1/mcp/authorize", () =>
      HttpResponse.json({ data: { token: TEST_TOKEN } }, { status: 201 }),
    ),
    http.get("*/api/v1/agents/:id", () => HttpResponse.json({ error: "no such agent" }, { status: 404 })),
  ]);
}, 240_000);

afterAll(async () => {
  await server?.close();
  project?.remove();
});

describe("the packed package", () => {
  it("holds what it is built of and nothing else", () => {
    expect(readdirSync(join(project.directory, "node_modules/@licentric/sdk")).toSorted()).toEqual([
      "LICENSE",
      "README.md",
      "dist",
      "package.json",
    ]);
  });

  it.each(["run.mjs", "run.cjs"])(
    "runs, and does not keep a finished script alive: %s",
    async (script) => {
      const { stdout, stderr } = await project.run(script, {
        LICENTRIC_API_KEY: TEST_KEY,
        LICENTRIC_BASE_URL: server.url,
      });
      expect(JSON.parse(stdout)).toEqual(["AGT-…ghij", true, true]);
      expect(stderr).toBe("");
    },
    30_000,
  );

  describe("has the types that it promises:", () => {
    const files = ["surface.ts"];
    // Checking the dependencies' declarations takes ten times as long, and is the same in each way: once is enough.
    const skipLibCheck = true;
    const ways = {
      "nodenext, as a module": { files, compilerOptions: { skipLibCheck, module: "nodenext" } },
      "nodenext, with the dependencies' declarations": {
        files,
        compilerOptions: { skipLibCheck: false, module: "nodenext" },
      },
      "nodenext, as CommonJS": {
        files,
        compilerOptions: { skipLibCheck, module: "nodenext" },
        type: "commonjs",
      },
      bundler: { files, compilerOptions: { skipLibCheck, module: "esnext", moduleResolution: "bundler" } },
    } satisfies Record<string, Compilation>;
    let problems: Awaited<ReturnType<typeof project.compile>>;
    beforeAll(async () => {
      problems = await project.compile(ways);
    }, 120_000);

    it.each(Object.keys(ways))("%s", (way) => {
      expect(problems).toHaveProperty([way], "");
    });
  });

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

import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { createProject, type Project, packPackages } from "../../../scripts/packages/packed-project.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// The package as users get it: built, packed, and installed into empty projects.

const root = fileURLToPath(new URL("..", import.meta.url));
let besideSdks: Project;
let alone: Project;
let besideOldestSdks: Project;
let api: StandIn;

beforeAll(async () => {
  const packed = await packPackages(["contract", "sdk", "paywall", "mcp"]);
  const given = { packed, from: root, files: join(root, "test/consumer") };
  const own = ["@licentric/mcp", "@types/node"];
  // The declarations of SDK v1 need those of Express, which it does not bring.
  const sdks = ["sdk", "server", "client"].map((name) => `@modelcontextprotocol/${name}`);
  const others = ["zod", "@types/express", "fs-native-extensions"];
  besideSdks = await createProject({ ...given, dependencies: [...own, ...sdks, ...others] });
  alone = await createProject({ ...given, dependencies: own });
  besideOldestSdks = await createProject({
    ...given,
    dependencies: ["@licentric/mcp", ...sdks, "fs-native-extensions"],
    versions: oldestPeers(),
  });
  api = await startStandIn();
}, 240_000);

afterAll(async () => {
  await api?.close();
  besideSdks?.remove();
  alone?.remove();
  besideOldestSdks?.remove();
});

/** The oldest versions that the package says it works beside, and the client of the same release. */
function oldestPeers(): Record<string, string> {
  const { peerDependencies } = z
    .object({ peerDependencies: z.record(z.string(), z.string()) })
    .parse(JSON.parse(readFileSync(join(root, "package.json"), "utf8")));
  const oldest = Object.fromEntries(
    Object.entries(peerDependencies).map(([name, range]) => [name, range.replace(/^\^/, "")]),
  );
  return { ...oldest, "@modelcontextprotocol/client": oldest["@modelcontextprotocol/server"] ?? "" };
}

const environment = (journal: string) => ({
  LICENTRIC_BASE_URL: api.url,
  LICENTRIC_API_KEY: "lk_test_0123456789abcdef",
  LICENTRIC_AGENT_TOKEN: api.ledger.authorize("agt_1"),
  JOURNAL: join(besideSdks.directory, "journals", journal),
});

it("holds what it is built of and nothing else", () => {
  const installed = join(alone.directory, "node_modules/@licentric/mcp");
  expect(readdirSync(installed).toSorted()).toEqual(["LICENSE", "README.md", "dist", "package.json"]);
  const names = readdirSync(join(installed, "dist"), { recursive: true, encoding: "utf8" });
  expect(
    // The hash of shared declarations is in base64url: eight characters, "-" among them.
    names.filter(
      (name) =>
        !/^(index|journal|protocol|testing|chunk-\w{8}|(?:paywall|refusal-result)-[\w-]{8})\.(js|cjs|d\.ts|d\.cts)$/.test(
          name,
        ),
    ),
  ).toEqual([]);
  expect(readdirSync(join(alone.directory, "node_modules/.pnpm")).join("\n")).not.toMatch(
    /licentric\+server/,
  );
});

it.each(["charge.mjs", "charge.cjs"])(
  "charges tools on both SDKs, at once and by the journal: %s",
  async (script) => {
    const before = api.ledger.usage.length;
    const { stdout, stderr } = await besideSdks.run(script, environment(script));
    expect({ answers: JSON.parse(stdout), stderr }).toEqual({
      answers: ["ran", "ran", "ran", "ran"],
      stderr: "",
    });
    expect(api.ledger.usage).toHaveLength(before + 4);
  },
  60_000,
);

it("charges tools on the oldest SDKs that it says it works beside", async () => {
  const before = api.ledger.usage.length;
  const { stdout, stderr } = await besideOldestSdks.run("charge.mjs", environment("oldest"));
  expect({ answers: JSON.parse(stdout), stderr }).toEqual({
    answers: ["ran", "ran", "ran", "ran"],
    stderr: "",
  });
  expect(api.ledger.usage).toHaveLength(before + 4);
}, 60_000);

it.each(["alone.mjs", "alone.cjs"])(
  "needs neither SDK nor OpenTelemetry, and says what a journal needs: %s",
  async (script) => {
    const before = api.ledger.usage.length;
    const { stdout, stderr } = await alone.run(script, environment(script));
    expect({ said: JSON.parse(stdout), stderr }).toEqual({
      said: [false, false, false, "ran", "function", "Install it: npm install fs-native-extensions."],
      stderr: "",
    });
    expect(api.ledger.usage).toHaveLength(before + 1);
  },
  60_000,
);

it("has declarations that compile beside both SDKs, as a module and as CommonJS", async () => {
  const { directory } = besideSdks;
  cpSync(join(directory, "surface.mts"), join(directory, "surface.cts"));
  // The declarations of SDK v1 name a type of the DOM.
  const compilerOptions = { module: "nodenext", skipLibCheck: false, lib: ["es2023", "dom"] };
  const files = ["surface.mts", "surface.cts"];
  expect(await besideSdks.compile({ both: { files, compilerOptions } })).toEqual({ both: "" });
}, 120_000);

it("has declarations that compile without an SDK", async () => {
  const compilerOptions = { module: "nodenext", skipLibCheck: false };
  const problems = await alone.compile({ alone: { files: ["alone.mts"], compilerOptions } });
  expect(problems).toEqual({ alone: "" });
}, 60_000);

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../packages/server/test/support/private-postgres.ts";
import { packageFolders } from "../packages/package-sources.ts";
import { packPackages } from "../packages/packed-project.ts";
import { type PackedRegistry, startPackedRegistry } from "../packages/packed-registry.ts";
import { carryOut } from "./carry-out.ts";

// What a user does who follows docs/quickstart.md with the packages as published: every block of it, in its order.

const run = promisify(execFile);
const quickstart = readFileSync(join(import.meta.dirname, "../../docs/quickstart.md"), "utf8");

let registry: PackedRegistry;
let directory: string;
beforeAll(async () => {
  registry = await startPackedRegistry(await packPackages(packageFolders));
  directory = mkdtempSync(join(tmpdir(), "licentric-quickstart-"));
}, 600_000);
afterAll(async () => {
  registry?.close();
  await rm(directory, { recursive: true, force: true });
}, 240_000);

// The terminals are made by `script` of util-linux.
describe.runIf(process.platform === "linux")("the quickstart", () => {
  it.each([20, 24])("works on Node %i as it is written", { timeout: 600_000 }, async (major) => {
    const node = await nodeDirectory(major);
    const [api, server] = [await freePort(), await freePort()];
    const version = await run(join(node, "node"), ["--version"]);
    expect(version.stdout).toMatch(new RegExp(`^v${major}\\.`));
    const home = mkdtempSync(join(directory, `node-${major}-`));
    await carryOut(quickstart, {
      directory: home,
      environment: {
        ...userEnvironment(),
        PATH: `${node}${delimiter}${process.env["PATH"]}`,
        npm_config_registry: registry.url,
        npm_config_audit: "false", // asks the public registry
        npm_config_update_notifier: "false",
        npm_config_prefer_offline: "true",
        PORT: `${api}`,
      },
      values: { "4242": `${api}`, "3000": `${server}` },
    });
  });
});

/**
 * The environment without what the package manager, the tests and a developer set for this workspace. By which
 * certificates the machine reaches a registry is not the workspace's.
 */
function userEnvironment(): NodeJS.ProcessEnv {
  const ours =
    /^(npm_|pnpm_|vitest|node_(?!extra_ca_certs$)|licentric_|stripe_|database_url$|host$|init_cwd$|log_level$|agent_token$)/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}

/** Where a Node of this major version is: this process's own, or the one that the registry has. */
async function nodeDirectory(major: number): Promise<string> {
  if (process.versions.node.startsWith(`${major}.`)) return dirname(process.execPath);
  const { stdout } = await run("npx", ["-y", "-p", `node@${major}`, "node", "-p", "process.execPath"]);
  return dirname(stdout.trim());
}

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

const run = promisify(execFile);
const binary = (name: string) => join(import.meta.dirname, "node_modules/.bin", name);

/** What a program is told. */
export interface Settings {
  readonly apiKey: string;
  readonly baseUrl: string;
  readonly token: string;
}

/** Runs the program of a project on a runtime, and returns what it answers. */
export type Runtime = (project: string, settings: Settings) => Promise<unknown>;

const asProcess =
  (command: string, args: readonly string[]): Runtime =>
  async (project, { apiKey, baseUrl, token }) => {
    const { stdout, stderr } = await run(command, [...args, "main.mjs"], {
      cwd: project,
      env: { ...process.env, LICENTRIC_API_KEY: apiKey, LICENTRIC_BASE_URL: baseUrl, AGENT_TOKEN: token },
    });
    if (stderr !== "") throw new Error(stderr);
    return JSON.parse(stdout);
  };

/** A version of Node. */
const node =
  (version: string): Runtime =>
  async (project, settings) =>
    asProcess(await findNode(version), [])(project, settings);

/** Finds a version of Node, which npm fetches if it has not yet. */
export async function findNode(version: string): Promise<string> {
  const { stdout } = await run("npx", ["-y", "-p", `node@${version}`, "node", "-p", "process.execPath"]);
  return stdout.trim();
}

/** Bundled as Wrangler does it, and run by the program that runs Workers, with nothing of this process in it. */
const workerd: Runtime = async (project, settings) => {
  const { outputFiles } = await build({
    entryPoints: [join(project, "worker.mjs")],
    bundle: true,
    write: false,
    format: "esm",
    conditions: ["workerd", "worker", "browser"],
    external: ["node:*", "cloudflare:*"],
  });
  const worker = new Miniflare({
    modules: [{ type: "ESModule", path: "worker.js", contents: outputFiles[0]?.text ?? "" }],
    compatibilityDate: "2025-01-01",
    compatibilityFlags: ["nodejs_compat"],
    bindings: { ...settings },
  });
  try {
    const response = await worker.dispatchFetch("http://worker.example/");
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return JSON.parse(text);
  } finally {
    await worker.dispose();
  }
};

/** The versions of Node. */
export const NODES = ["20", "22", "24"];

/** The runtimes, by their names. */
export const RUNTIMES: Readonly<Record<string, Runtime>> = {
  ...Object.fromEntries(NODES.map((version) => [`Node ${version}`, node(version)])),
  Bun: asProcess(binary("bun"), ["run"]),
  Deno: asProcess(binary("deno"), ["run", "--allow-all"]),
  workerd,
};

import { execFile } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import { createProject, packPackages } from "../../../scripts/packages/packed-project.ts";

const run = promisify(execFile);
const root = import.meta.dirname;

declare module "vitest" {
  interface ProvidedContext {
    /** The program that runs each version of Node, by its major version. */
    readonly nodes: Readonly<Record<string, string>>;
  }
}

/**
 * Installs the frameworks from their lockfile, and beside them the paywall as a user gets it: built, packed and
 * installed from its tarball, with what it declares and nothing else.
 */
export default async function setup(project: TestProject): Promise<() => void> {
  await run("npx", ["-y", "pnpm@10", "install", "--frozen-lockfile", "--prefer-offline"], { cwd: root });
  const packed = await packPackages(["contract", "sdk", "paywall", "mcp"]);
  const installed = await createProject({ packed, dependencies: ["@licentric/mcp"], from: dirname(root) });
  const scope = join(root, "node_modules/@licentric");
  rmSync(scope, { recursive: true, force: true });
  mkdirSync(scope, { recursive: true });
  symlinkSync(join(installed.directory, "node_modules/@licentric/mcp"), join(scope, "mcp"));
  const version = process.versions.node.split(".")[0] ?? "";
  const nodes: Record<string, string> = { [version]: process.execPath };
  for (const other of ["24"].filter((one) => one !== version)) nodes[other] = await findNode(other);
  project.provide("nodes", nodes);
  return () => {
    rmSync(scope, { recursive: true, force: true });
    installed.remove();
  };
}

/** Where another version of Node is, which npm fetches if it has not yet. */
async function findNode(version: string): Promise<string> {
  const { stdout } = await run("npx", ["-y", "-p", `node@${version}`, "node", "-p", "process.execPath"]);
  return stdout.trim();
}

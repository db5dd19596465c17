import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import { createProject, packPackages } from "../../../../scripts/packages/packed-project.ts";

const run = promisify(execFile);
const root = import.meta.dirname;

declare module "vitest" {
  interface ProvidedContext {
    /** A user's project with the packed packages and the programs of `programs`. */
    readonly project: string;
  }
}

/** Installs the runtimes from their lockfile, and the packages as a user gets them, in a project of their own. */
export default async function setup(project: TestProject): Promise<() => void> {
  const install = ["-y", "pnpm@10", "install", "--frozen-lockfile", "--prefer-offline"];
  await run("npx", install, { cwd: root });
  const { findNode, NODES } = await import("./runtimes.ts");
  for (const version of NODES) await findNode(version);
  const installed = await createProject({
    packed: await packPackages(["contract", "sdk", "paywall", "mcp"]),
    dependencies: [
      "@licentric/sdk",
      "@licentric/paywall",
      "@licentric/mcp",
      "@modelcontextprotocol/client",
      "@modelcontextprotocol/server",
    ],
    from: join(root, "../.."),
    files: join(root, "programs"),
  });
  project.provide("project", installed.directory);
  return () => installed.remove();
}

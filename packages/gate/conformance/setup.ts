import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

const run = promisify(execFile);

declare module "vitest" {
  interface ProvidedContext {
    /** A Node that the suite runs on, which is newer than the oldest that the gate does. */
    readonly suiteNode: string;
  }
}

/** Installs the suite from its lockfile. */
export default async function setup(project: TestProject): Promise<void> {
  const install = ["-y", "pnpm@10", "install", "--frozen-lockfile", "--prefer-offline"];
  await run("npx", install, { cwd: import.meta.dirname });
  const { stdout } = await run("npx", ["-y", "-p", "node@24", "node", "-p", "process.execPath"]);
  project.provide("suiteNode", stdout.trim());
}

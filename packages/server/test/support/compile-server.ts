import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { compilePrograms } from "../../../../scripts/packages/compile-programs.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The API's program for tests that run it as a process of its own, compiled. */
    readonly serverProgram: string;
  }
}

export default async function setup(project: TestProject): Promise<void> {
  const programs = await compilePrograms({
    sources: import.meta.dirname,
    names: ["run-server"],
    into: join(import.meta.dirname, "../../node_modules/.cache/programs"),
  });
  project.provide("serverProgram", programs["run-server"]);
}

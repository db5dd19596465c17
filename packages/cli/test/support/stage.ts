import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { stagePackages } from "../../../../scripts/packages/staged-packages.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The command line's program, as it is published. */
    readonly licentricProgram: string;
  }
}

/** Builds the command line and what it runs, once for all of its tests: they start it some hundred times. */
export default async function setup(project: TestProject): Promise<void> {
  const program = join(await stagePackages(), "node_modules/licentric/dist/bin.js");
  project.provide("licentricProgram", program);
}

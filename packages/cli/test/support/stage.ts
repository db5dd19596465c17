import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { stagePackages } from "../../../../scripts/packages/staged-packages.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The command line's program, as it is published. */
    readonly licentricProgram: string;
  }
}

/** Builds the command line and what it runs, once for all of its tests: they start it some hundred times. */
export default function setup(project: TestProject): void {
  const staged = new URL("../../node_modules/.cache/staged/", import.meta.url);
  stagePackages(fileURLToPath(staged));
  project.provide("licentricProgram", fileURLToPath(new URL("node_modules/licentric/dist/bin.js", staged)));
}

import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { compilePrograms } from "../../../scripts/packages/compile-programs.ts";

const NAMES = ["background-process", "stdio-tools", "stdio-v1", "stdio-v2"] as const;

declare module "vitest" {
  interface ProvidedContext {
    /** What the paywall's tests run as processes of their own, compiled. */
    readonly paywallPrograms: Readonly<Record<(typeof NAMES)[number], string>>;
  }
}

export default async function setup(project: TestProject): Promise<void> {
  const programs = await compilePrograms({
    sources: import.meta.dirname,
    names: NAMES,
    into: join(import.meta.dirname, "../node_modules/.cache/programs"),
  });
  project.provide("paywallPrograms", programs);
}

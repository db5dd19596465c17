import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "tsup";
import type { TestProject } from "vitest/node";
import { stagePackages } from "../../../scripts/packages/staged-packages.ts";

const PROGRAMS = ["background-process", "journal-crash-child", "stdio-v1", "stdio-v2"] as const;

declare module "vitest" {
  interface ProvidedContext {
    /** The programs that tests run as processes of their own, by name, as JavaScript. */
    readonly programs: Readonly<Record<(typeof PROGRAMS)[number], string>>;
  }
}

/** Compiles what tests run as processes, once: they start some hundred, and a loader compiles for each of them anew. */
export default async function setup(project: TestProject): Promise<void> {
  const compiled = fileURLToPath(new URL("../node_modules/.cache/programs/", import.meta.url));
  mkdirSync(compiled, { recursive: true });
  stagePackages(compiled, ["contract", "sdk"]);
  await build({
    config: false,
    silent: true,
    entry: PROGRAMS.map((name) => fileURLToPath(new URL(`${name}.ts`, import.meta.url))),
    outDir: compiled,
    format: ["esm"],
    outExtension: () => ({ js: ".mjs" }),
    target: "node20",
    skipNodeModulesBundle: true,
  });
  const at = (name: (typeof PROGRAMS)[number]) => `${compiled}${name}.mjs`;
  project.provide("programs", {
    "background-process": at("background-process"),
    "journal-crash-child": at("journal-crash-child"),
    "stdio-v1": at("stdio-v1"),
    "stdio-v2": at("stdio-v2"),
  });
}

import { fileURLToPath } from "node:url";

/**
 * The settings of one package, in whose folder Stryker runs. The sources stay as they are, for what is mutated is a copy
 * of them.
 *
 * @param name - the package's folder, and the configuration of its tests beside this file
 * @param mutate - the sources that are mutated
 * @param atLeast - percent of the mutations that have to be noticed
 */
export function settingsFor(name, mutate, atLeast) {
  return {
    mutate,
    testRunner: "vitest",
    plugins: [import.meta.resolve("@stryker-mutator/vitest-runner")],
    vitest: {
      configFile: fileURLToPath(new URL(`${name}.vitest.config.ts`, import.meta.url)),
      related: false,
    },
    coverageAnalysis: "perTest",
    concurrency: 2,
    reporters: ["clear-text"],
    clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
    thresholds: { high: 100, low: atLeast, break: atLeast },
  };
}

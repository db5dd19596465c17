import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * The files that take longest, the heaviest first: beside one another they leave no core to a test that is in a hurry.
 * `quickstart` needs the packages that `packaging` has packed by then.
 */
const LONGEST = [
  "server/test/partition",
  "server/test/chaos",
  "mcp/test/packaging",
  "cli/test/billing",
  "server/test/power-cut",
  "mcp/test/matrix",
  "demo/test/demo",
  "quickstart/quickstart",
  "server/test/stripe",
].map((name) => `/${name}.test.ts`);

/** Begins with the files that take longest: one that runs on at the end leaves the other cores idle. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = LONGEST.findIndex((name) => moduleId.endsWith(name));
      return index === -1 ? LONGEST.length : index;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

const { TEST_RESULTS } = process.env;

// A variable of the person's own shell changes no test. Which PostgreSQL to test on, and how long to fuzz, are meant.
for (const name of Object.keys(process.env)) {
  if (/^(LICENTRIC_(?!TEST_|FUZZ_)|STRIPE_|DATABASE_URL$)/.test(name)) delete process.env[name];
}

/** The tests beside the sources, which start no process and use no database: those that do are in `test` folders. */
const unit = {
  test: {
    name: "unit",
    include: ["packages/*/src/**/*.test.ts", "scripts/unit-tests/*.test.ts"],
    setupFiles: ["scripts/unit-tests/forbid.ts"],
    // Half of the time would go into loading the same sources for each file.
    isolate: false,
  },
};

// The unit tests, and one project for the others of each package: `vitest --project sdk` runs one of them alone.
export default defineConfig({
  test: {
    // Most of these tests start processes and databases of their own: one file on each core keeps it busy, and more
    // make each of them wait for the others until its time is over.
    maxWorkers: "100%",
    sequence: { sequencer: LongestFirst },
    projects: [
      unit,
      "packages/*/vitest.config.ts",
      "packages/sdk/vitest.fetch.config.ts",
      "examples/*/vitest.config.ts",
      "scripts/vitest.config.ts",
    ],
    reporters: TEST_RESULTS ? ["default", ["json", { outputFile: TEST_RESULTS }]] : ["default"],
  },
});

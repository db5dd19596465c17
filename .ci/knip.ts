import type { KnipConfig } from "knip";

/** What `pnpm unused` looks at: files, exports and dependencies that nothing uses. */
const config: KnipConfig = {
  // Whoever calls an exported function may need the names of what it takes and gives.
  ignoreExportsUsedInFile: { interface: true, type: true },
  // A document's blocks, of which only the imports matter here. One that shows a program of a framework has its packages
  // in a folder of their own.
  compilers: {
    md: (text) =>
      (text.replace(/^```ts \S.*?^```$/gms, "").match(/^import [^;]* from "[^"]+";$/gm) ?? []).join("\n"),
  },
  // Of the system.
  ignoreBinaries: ["cc", "mount", "umount", "openssl", "script"],
  workspaces: {
    ".": {
      entry: [".ci/summarize.mjs", "scripts/unit-tests/*.ts", "scripts/packages/write-empty-database.ts"],
      project: ["*.ts", "scripts/**/*.ts", ".ci/*.{mjs,ts}"],
      // Run by name, in scripts/packages/pack-check.ts.
      ignoreDependencies: ["@arethetypeswrong/cli", "publint"],
    },
    "packages/*": {
      // Besides what is published, tests, and what these start or compile by its name.
      entry: ["src/**/*.test.ts", "test/consumer/*", "test/example-names.ts", "test/support/run-server.ts"],
      project: ["*.ts", "src/**/*.ts", "test/**/*.{ts,mts,cts,mjs,cjs}"],
    },
    "packages/mcp": {
      entry: [
        "src/**/*.test.ts",
        "test/consumer/*",
        "test/example-names.ts",
        "test/{background-process,stdio-tools,stdio-v1,stdio-v2}.ts",
      ],
      project: ["*.ts", "src/**/*.ts", "test/**/*.{ts,mts,cts,mjs,cjs}"],
    },
    "packages/gate": {
      entry: ["src/**/*.test.ts", "write-schema.ts", "test/servers/*.mjs"],
      project: ["*.ts", "src/**/*.ts", "test/**/*.{ts,mjs}"],
      // Run as servers, by the paths of their programs.
      ignoreDependencies: [/^@modelcontextprotocol\/server-/],
    },
    "packages/paywall": {
      // Required by its name, in src/journal/file-locks.ts.
      ignoreDependencies: ["fs-native-extensions"],
      entry: ["src/**/*.test.ts", "test/journal-crash-child.ts"],
      project: ["*.ts", "src/**/*.ts", "test/**/*.ts"],
    },
    "packages/cli": {
      // The template is what `licentric init` copies.
      entry: ["src/**/*.test.ts", "template/src/*.ts"],
      project: ["*.ts", "src/**/*.ts", "test/**/*.ts", "template/src/*.ts"],
    },
    // Its pages are a program of their own, with a lockfile of its own.
    "packages/console": { project: ["*.ts", "src/**/*.ts"], ignore: ["app/**"] },
    bench: {
      entry: ["src/run.ts", "src/serve-*.ts"],
      project: ["src/**/*.ts"],
      // Installed by the benchmark itself, for the time of its run.
      ignoreDependencies: ["mcpay"],
    },
    "examples/*": { project: ["src/**/*.ts", "test/**/*.ts"] },
    docs: {
      entry: [".vitepress/*.data.ts", "**/*.md"],
      project: ["generate/**/*.ts", ".vitepress/*.ts"],
      // For the blocks of the packages' READMEs, which are compiled from here.
      ignoreDependencies: [
        "@licentric/console",
        "@licentric/paywall",
        /^@modelcontextprotocol\/(express|hono|node)$/,
        "express",
        "@types/express",
      ],
    },
  },
};

export default config;

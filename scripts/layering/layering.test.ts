import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { circlesIn, importsIn, readImports } from "./imports.ts";

const packages = join(import.meta.dirname, "../../packages");
const imports = readImports(packages);

/** The packages of ours that each package imports, and no others. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  sdk: ["contract"],
  paywall: ["sdk"],
  mcp: ["paywall"],
  server: ["contract"],
  cli: ["sdk", "server"],
};

const packageOf = (path: string) => path.split("/")[0] ?? "";

describe("the packages", () => {
  it("are all in the list", () => {
    expect(readdirSync(packages).sort()).toEqual(Object.keys(ARROWS).sort());
  });

  it.each(Object.entries(ARROWS))("%s imports %j of the others, and no more", (name, others) => {
    const imported = [...imports]
      .filter(([path]) => packageOf(path) === name)
      .flatMap(([, paths]) => paths.map(packageOf))
      .filter((other) => other !== name);
    expect([...new Set(imported)].sort()).toEqual([...others].sort());
  });

  it.each(Object.entries(ARROWS))("%s depends on what it imports: %j", (name, others) => {
    const { dependencies } = JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8"));
    const ours = Object.keys(dependencies).filter((each) => each.startsWith("@licentric/"));
    expect(ours.sort()).toEqual(others.map((other) => `@licentric/${other}`).sort());
  });

  it("import another package by its name, and no file of it", () => {
    const entered = [...imports].flatMap(([path, paths]) =>
      paths
        .filter((other) => packageOf(other) !== packageOf(path) && !other.endsWith("/src/index.ts"))
        .map((other) => `${path} imports ${other}`),
    );
    expect(entered).toEqual([]);
  });

  it("have no circular import", () => {
    expect(circlesIn(imports)).toEqual([]);
  });
});

describe("what a file imports", () => {
  it.each([
    'import { a } from "../a.ts";',
    'import type { A } from "../a.ts";',
    'import { type A } from "../a.ts";',
    'import "../a.ts";',
    'export * from "../a.ts";',
    'export type { A } from "../a.ts";',
    'const a = await import("../a.ts");',
    'type A = import("../a.ts").A;',
    'type A = typeof import("../a.ts");',
  ])("is seen in %s", (text) => {
    expect(importsIn("sdk/src/b/c.ts", text)).toEqual(["sdk/src/a.ts"]);
  });

  it.each([
    ["@licentric/sdk", ["sdk/src/index.ts"]],
    ["@licentric/mcp/testing", ["mcp/src/index.ts"]],
    ["licentric", ["cli/src/index.ts"]],
    ["@modelcontextprotocol/server", []],
    ["node:fs", []],
    ["../../server/src/app.ts", ["server/src/app.ts"]],
  ])("is, of %s, %j", (name, paths) => {
    expect(importsIn("contract/src/a.ts", `import { a } from "${name}";`)).toEqual(paths);
  });
});

it("finds each circle once, with all of its files", () => {
  const circle = (...edges: [string, string[]][]) => circlesIn(new Map(edges));
  expect(circle(["a", ["b"]], ["b", ["c"]], ["c", []])).toEqual([]);
  expect(circle(["a", ["b"]], ["b", ["c"]], ["c", ["b"]], ["d", ["d", "a"]])).toEqual([["b", "c"], ["d"]]);
  expect(circle(["c", ["a"]], ["a", ["b", "c"]], ["b", ["a"]])).toEqual([["a", "b", "c"]]);
});

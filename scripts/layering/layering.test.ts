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
  gate: ["mcp"],
  server: ["contract"],
  console: [],
  cli: ["sdk", "server", "console"],
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

/** The rooms of each package that has some, lower ones first: a folder, or a file beside them. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  paywall: [
    "util",
    "refusal",
    "events.ts",
    "credential",
    "pricing",
    "journal",
    "billing",
    "modes",
    "telemetry.ts",
    "call",
    "options.ts",
    "paywall-core.ts",
    "http",
    "create-paywall.ts",
    "fastify",
    "testing",
    "adapter.ts",
    "fastify.ts",
    "index.ts",
    "journal.ts",
    "journal-elsewhere.ts",
    "testing.ts",
  ],
  mcp: [
    "protocol",
    "context",
    "handler",
    "server",
    "options.ts",
    "paywall.ts",
    "protocol.ts",
    "testing.ts",
    "journal.ts",
    "index.ts",
  ],
  gate: [
    "exchange.ts",
    "limits.ts",
    "loopback.ts",
    "message",
    "upstream",
    "session",
    "http",
    "stdio-front.ts",
    "config",
    "rules",
    "start-gate.ts",
    "package-version.ts",
    "command",
    "bin.ts",
    "index.ts",
  ],
};

describe.each(Object.entries(ROOMS))("the rooms of %s", (name, rooms) => {
  const roomOf = (path: string) => path.split("/")[2] ?? "";
  const own = [...imports].filter(([path]) => packageOf(path) === name);

  it("are all in the list", () => {
    expect([...new Set(own.map(([path]) => roomOf(path)))].sort()).toEqual([...rooms].sort());
  });

  it("import what is below them alone", () => {
    expect(
      importsWhere(
        own,
        (path, other) =>
          packageOf(other) === name && rooms.indexOf(roomOf(other)) > rooms.indexOf(roomOf(path)),
      ),
    ).toEqual([]);
  });
});

describe("the server: routes, rules, store", () => {
  const own = [...imports].filter(([path]) => packageOf(path) === "server");
  /** Errors, validation and pages, which lie below the rules. */
  const SHARED = ["api-error", "page", "parse"].map((name) => `server/src/http/${name}.ts`);
  const isShared = (path: string) => SHARED.includes(path);
  const isStore = (path: string) => path.startsWith("server/src/store/");
  const isRoute = (path: string) =>
    !isShared(path) && /^server\/src\/(http\/|[a-z]+\/(routes|.*-route|stripe-webhook)\.ts$)/.test(path);
  const isRule = (path: string) =>
    /^server\/src\/[a-z]+\//.test(path) && !isRoute(path) && !isStore(path) && !isShared(path);

  it("has all of the three", () => {
    for (const is of [isStore, isRoute, isRule])
      expect(own.filter(([path]) => is(path)).length).toBeGreaterThan(10);
    expect(own.map(([path]) => path).filter(isShared)).toHaveLength(SHARED.length);
  });

  it("has rules that know no route", () => {
    expect(importsWhere(own, (path, other) => isRule(path) && isRoute(other))).toEqual([]);
  });

  it("has a store, and errors and validation, that know neither", () => {
    const isBelow = (path: string) => isStore(path) || isShared(path);
    expect(importsWhere(own, (path, other) => isBelow(path) && (isRule(other) || isRoute(other)))).toEqual(
      [],
    );
  });

  it("has rules and a store that know nothing of Fastify", () => {
    const texts = own
      .filter(([path]) => isRule(path) || isStore(path) || isShared(path))
      .map(([path]) => [path, readFileSync(join(packages, path), "utf8")] as const);
    expect(
      texts.filter(([, text]) => /from "(@?fastify|node:http)/.test(text)).map(([path]) => path),
    ).toEqual([]);
  });
});

/** Imports of which something holds, in words. */
function importsWhere(
  own: readonly (readonly [string, readonly string[]])[],
  holds: (path: string, other: string) => boolean,
): string[] {
  return own.flatMap(([path, others]) =>
    others.filter((other) => holds(path, other)).map((other) => `${path} imports ${other}`),
  );
}

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

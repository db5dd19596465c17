import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { compileExamples, examplesOf, takenForGranted } from "../../../scripts/documents/compile-examples.ts";
import * as sdk from "../src/index.ts";

// Every fenced ts block in a doc comment is compiled against the sources.

const root = fileURLToPath(new URL("..", import.meta.url));

const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
  .map((name) => join(root, "src", name));
const examples = sources.flatMap((path) => examplesOf(path, root));

describe("the examples", () => {
  it("compile, each of them", { timeout: 60_000 }, () => {
    const folder = join(root, "test");
    const implied = [{ module: "@licentric/sdk", names: Object.keys(sdk) }, takenForGranted(folder)];
    expect(compileExamples({ root: folder, examples, implied })).toEqual({});
    expect(examples.length).toBeGreaterThan(40);
  });

  it("are there for every call of every resource", () => {
    const undocumented = sources
      .filter((path) => path.includes("resources"))
      .flatMap((path) => {
        const methods = readFileSync(path, "utf8").match(/\*\/\n {2}(?!constructor|readonly)[\w#]+\(/g) ?? [];
        const found = examplesOf(path, root).length;
        return found < methods.length
          ? [`${relative(root, path)}: ${found} examples, ${methods.length} calls`]
          : [];
      });
    expect(undocumented).toEqual([]);
  });
});

import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import * as sdk from "../src/index.ts";

// Every fenced ts block in a doc comment or in the README is compiled against the sources.

const root = fileURLToPath(new URL("..", import.meta.url));

interface Example {
  readonly name: string;
  readonly text: string;
}

function examplesOf(path: string): Example[] {
  const file = readFileSync(path, "utf8");
  const blocks = path.endsWith(".md")
    ? [...file.matchAll(/^```ts\n([\s\S]*?)^```$/gm)]
    : [...file.matchAll(/^ *\* ```ts\n([\s\S]*?)^ *\* ```$/gm)];
  return blocks.map((block) => ({
    name: `${relative(root, path)}:${file.slice(0, block.index).split("\n").length}`,
    text: path.endsWith(".md") ? (block[1] ?? "") : (block[1] ?? "").replace(/^ *\* ?/gm, ""),
  }));
}

/** An example as a module: its imports, those that it leaves out, and the rest in an asynchronous function. */
function toModule({ text }: Example): string {
  const imports = text.match(/^import .*;$/gm) ?? [];
  const rest = text.replace(/^import .*;$/gm, "");
  const implied = Object.keys(sdk).filter(
    (name) => new RegExp(`\\b${name}\\b`).test(rest) && !new RegExp(`\\b${name}\\b`).test(imports.join()),
  );
  const implicit = implied.length === 0 ? "" : `import { ${implied.join(", ")} } from "@licentric/sdk";`;
  return `${imports.join("\n")}\n${implicit}\nexport async function example() {\n${rest}\n}\n`;
}

const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
  .map((name) => join(root, "src", name));
const examples = [join(root, "README.md"), ...sources].flatMap(examplesOf);
const modules = new Map(
  examples.map((example, index) => [
    join(root, "test", `example-${index}.ts`),
    { ...example, module: toModule(example) },
  ]),
);

function compile(): Map<string, string[]> {
  const { config } = ts.readConfigFile(join(root, "../../tsconfig.base.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (path) => modules.has(path) || fileExists(path);
  host.readFile = (path) => modules.get(path)?.module ?? readFile(path);
  host.getSourceFile = (path, ...rest) => {
    const example = modules.get(path);
    return example ? ts.createSourceFile(path, example.module, rest[0]) : getSourceFile(path, ...rest);
  };
  const globals = join(root, "test/example-globals.d.ts");
  const program = ts.createProgram([globals, ...modules.keys()], options, host);
  const problems = new Map<string, string[]>();
  for (const diagnostic of ts.getPreEmitDiagnostics(program)) {
    const name = modules.get(diagnostic.file?.fileName ?? "")?.name ?? diagnostic.file?.fileName ?? "";
    problems.set(name, [
      ...(problems.get(name) ?? []),
      ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"),
    ]);
  }
  return problems;
}

describe("the examples", () => {
  it("compile, each of them", { timeout: 60_000 }, () => {
    expect(Object.fromEntries(compile())).toEqual({});
    expect(examples.length).toBeGreaterThan(40);
  });

  it("are there for every call of every resource", () => {
    const undocumented = sources
      .filter((path) => path.includes("resources"))
      .flatMap((path) => {
        const methods = readFileSync(path, "utf8").match(/\*\/\n {2}(?!constructor|readonly)[\w#]+\(/g) ?? [];
        const found = examplesOf(path).length;
        return found < methods.length
          ? [`${relative(root, path)}: ${found} examples, ${methods.length} calls`]
          : [];
      });
    expect(undocumented).toEqual([]);
  });
});

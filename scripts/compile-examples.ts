import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";

/** A fenced `ts` block of a document or of a doc comment. */
export interface Example {
  /** File and line, as a failure names it. */
  readonly name: string;
  readonly text: string;
}

/** What is compiled, and how. */
export interface CompileExamples {
  /** Folder whose `node_modules` the examples' imports resolve from. */
  readonly root: string;
  readonly examples: readonly Example[];
  /** A declaration file with what examples take for granted. */
  readonly globals?: string;
  /** A module whose exports an example may leave out of its imports, with its names. */
  readonly implied?: { readonly module: string; readonly names: readonly string[] };
}

/** The `ts` blocks of a Markdown file, or of the doc comments of a source file. */
export function examplesOf(path: string, root: string): Example[] {
  const file = readFileSync(path, "utf8");
  const isDocument = path.endsWith(".md");
  const blocks = isDocument
    ? file.matchAll(/^```ts\n([\s\S]*?)^```$/gm)
    : file.matchAll(/^ *\* ```ts\n([\s\S]*?)^ *\* ```$/gm);
  return [...blocks].map(({ 1: block = "", index }) => ({
    name: `${relative(root, path)}:${file.slice(0, index).split("\n").length}`,
    text: isDocument ? block : block.replace(/^ *\* ?/gm, ""),
  }));
}

/** Compiles examples with the workspace's own settings, and answers what is wrong with each: nothing, if all are right. */
export function compileExamples({
  root,
  examples,
  globals,
  implied,
}: CompileExamples): Record<string, string[]> {
  const modules = new Map(
    examples.map((example, index) => [
      join(root, `example-${index}.ts`),
      { name: example.name, text: toModule(example, implied) },
    ]),
  );
  const { config } = ts.readConfigFile(join(import.meta.dirname, "../tsconfig.base.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (path) => modules.has(path) || fileExists(path);
  host.readFile = (path) => modules.get(path)?.text ?? readFile(path);
  host.getSourceFile = (path, ...rest) => {
    const example = modules.get(path);
    return example ? ts.createSourceFile(path, example.text, rest[0]) : getSourceFile(path, ...rest);
  };

  const program = ts.createProgram([...(globals ? [globals] : []), ...modules.keys()], options, host);
  // Only what is wrong with the examples themselves: the sources that they import are checked with all others.
  const problems: Record<string, string[]> = {};
  for (const [path, { name }] of modules) {
    const file = program.getSourceFile(path);
    const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
    if (found.length > 0)
      problems[name] = found.map((each) => ts.flattenDiagnosticMessageText(each.messageText, "\n"));
  }
  return problems;
}

/** An example as a module: its imports, those that it leaves out, and the rest in an asynchronous function. */
function toModule({ text }: Example, implied: CompileExamples["implied"]): string {
  const imports = text.match(/^import .*;$/gm) ?? [];
  const rest = text.replace(/^import .*;$/gm, "");
  const uses = (name: string, where: string) => new RegExp(`\\b${name}\\b`).test(where);
  const missing = implied?.names.filter((name) => uses(name, rest) && !uses(name, imports.join())) ?? [];
  const implicit = missing.length === 0 ? "" : `import { ${missing.join(", ")} } from "${implied?.module}";`;
  return `${imports.join("\n")}\n${implicit}\nexport async function example() {\n${rest}\n}\n`;
}

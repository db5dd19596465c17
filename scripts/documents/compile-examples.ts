import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";

const repository = join(import.meta.dirname, "../..");
const tsc = join(repository, "node_modules/typescript-native/bin/tsc");

/** A fenced `ts` block of a document or of a doc comment. */
export interface Example {
  /** The file that it is in, as a failure names it. */
  readonly file: string;
  /** Line of the fence. */
  readonly line: number;
  readonly text: string;
}

/** What is compiled, and how. */
export interface CompileExamples {
  /** Folder whose `node_modules` the examples' imports resolve from. */
  readonly root: string;
  readonly examples: readonly Example[];
  /** Modules whose exports an example may leave out of its imports, with the names of these. */
  readonly implied?: readonly { readonly module: string; readonly names: readonly string[] }[];
  /** Whether an example may use what earlier ones of its file import and declare: of each name, the first. */
  readonly continued?: boolean;
}

/** The `ts` blocks in the doc comments of a source file. */
export function examplesOf(path: string, root: string): Example[] {
  const source = readFileSync(path, "utf8");
  return [...source.matchAll(/^ *\* ```ts\n([\s\S]*?)^ *\* ```$/gm)].map(({ 1: block = "", index }) => ({
    file: relative(root, path),
    line: source.slice(0, index).split("\n").length,
    text: block.replace(/^ *\* ?/gm, ""),
  }));
}

/**
 * Compiles examples in one program, with the workspace's own settings. Where one of them cannot be parsed, the compiler
 * says nothing of the others.
 *
 * @returns what is wrong with each, by `file:line` of the example: nothing, if all are right
 */
export function compileExamples({
  root,
  examples,
  implied = [],
  continued = false,
}: CompileExamples): Record<string, string[]> {
  const modules = new Map<string, { readonly example: Example; readonly text: string }>();
  const earlier: { readonly file: string; readonly name: string; readonly module: string }[] = [];
  for (const [index, example] of examples.entries()) {
    const { file, text } = example;
    const own = topLevelNames(text);
    const imports: string[] = [];
    const lacks = (name: string) => !own.includes(name) && new RegExp(`\\b${name}\\b`).test(text);
    for (const { module, names } of implied)
      for (const name of names.filter(lacks)) imports.push(`import { ${name} } from "${module}";`);
    for (const { name, module } of earlier.filter((each) => each.file === file && lacks(each.name)))
      imports.push(`import { ${name} } from "./${module}";`);

    const module = `example-${index}.ts`;
    // What is added stands on lines of its own at the end, so that lines are those of the example.
    const added = [`export { ${own.join(", ")} };`, ...imports];
    modules.set(module, { example, text: `${text}\n${added.join("\n")}\n` });
    if (continued)
      for (const name of own)
        if (!earlier.some((each) => each.file === file && each.name === name))
          earlier.push({ file, name, module });
  }

  // Only what is wrong with the examples themselves: the sources that they import are checked with all others.
  const problems: Record<string, string[]> = {};
  for (const { module, line, message } of compile(root, modules)) {
    const example = modules.get(module)?.example;
    if (example === undefined) continue;
    const place = `${example.file}:${example.line}`;
    problems[place] = [...(problems[place] ?? []), `line ${line + example.line}: ${message.trimEnd()}`];
  }
  return problems;
}

interface Problem {
  readonly module: string;
  readonly line: number;
  readonly message: string;
}

/** Compiles modules in a folder of their own below the one that their imports resolve from. */
function compile(root: string, modules: ReadonlyMap<string, { readonly text: string }>): Problem[] {
  const directory = mkdtempSync(join(root, ".examples-"));
  try {
    for (const [module, { text }] of modules) writeFileSync(join(directory, module), text);
    const settings = {
      extends: relative(directory, join(repository, "tsconfig.base.json")),
      files: [...modules.keys()],
    };
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(settings));
    const { stdout, stderr, status } = spawnSync(process.execPath, [tsc, "--pretty", "false"], {
      cwd: directory,
      encoding: "utf8",
      maxBuffer: 100 * 1024 * 1024,
    });
    // A problem begins with the file that it is in, and goes on in lines that are indented.
    const problems = stdout.split(/^(?! )/m).flatMap((each) => {
      const { groups } = /^(?<module>.+)\((?<line>\d+),\d+\): error TS\d+: (?<message>.*)$/s.exec(each) ?? {};
      return groups ? [{ ...groups, line: Number(groups["line"]) }] : [];
    }) as Problem[];
    if (status !== 0 && problems.length === 0) throw new Error(`the compiler failed: ${stdout}${stderr}`);
    return problems;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The module, beside the examples, with what they take for granted, and its names. */
export function takenForGranted(folder: string) {
  const file = "example-names.ts";
  // The examples are compiled in a folder beside it.
  return { module: `../${file}`, names: topLevelNames(readFileSync(join(folder, file), "utf8")) };
}

/** The values that a module imports and declares, types left out. */
function topLevelNames(text: string): string[] {
  const { statements } = ts.createSourceFile("example.ts", text, ts.ScriptTarget.Latest);
  return statements.flatMap((statement) => {
    if (ts.isImportDeclaration(statement)) return importedNames(statement.importClause);
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.flatMap(({ name }) => boundNames(name));
    if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement))
      return statement.name ? [statement.name.text] : [];
    return [];
  });
}

function importedNames(clause: ts.ImportClause | undefined): string[] {
  if (clause === undefined || clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return [];
  const { name, namedBindings } = clause;
  const named =
    namedBindings === undefined
      ? []
      : ts.isNamespaceImport(namedBindings)
        ? [namedBindings.name.text]
        : namedBindings.elements.filter((each) => !each.isTypeOnly).map((each) => each.name.text);
  return name ? [name.text, ...named] : named;
}

function boundNames(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((each) => (ts.isOmittedExpression(each) ? [] : boundNames(each.name)));
}

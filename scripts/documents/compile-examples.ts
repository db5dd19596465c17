import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";

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
 * Compiles examples in one program, with the workspace's own settings.
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
    modules.set(join(root, module), { example, text: `${text}\n${added.join("\n")}` });
    if (continued)
      for (const name of own)
        if (!earlier.some((each) => each.file === file && each.name === name))
          earlier.push({ file, name, module });
  }

  const { config } = ts.readConfigFile(
    join(import.meta.dirname, "../../tsconfig.base.json"),
    ts.sys.readFile,
  );
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (path) => modules.has(path) || fileExists(path);
  host.readFile = (path) => modules.get(path)?.text ?? readFile(path);
  host.getSourceFile = (path, ...rest) => {
    const example = modules.get(path);
    return example ? ts.createSourceFile(path, example.text, rest[0]) : getSourceFile(path, ...rest);
  };

  const program = ts.createProgram([...modules.keys()], options, host);
  // Only what is wrong with the examples themselves: the sources that they import are checked with all others.
  const problems: Record<string, string[]> = {};
  for (const [path, { example }] of modules) {
    const source = program.getSourceFile(path);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    if (found.length === 0) continue;
    problems[`${example.file}:${example.line}`] = found.map(({ start = 0, messageText }) => {
      const line = (source?.getLineAndCharacterOfPosition(start).line ?? 0) + example.line + 1;
      return `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
    });
  }
  return problems;
}

/** The module, beside the examples, with what they take for granted, and its names. */
export function takenForGranted(folder: string) {
  const file = "example-names.ts";
  return { module: `./${file}`, names: topLevelNames(readFileSync(join(folder, file), "utf8")) };
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

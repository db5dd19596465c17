import { join, relative } from "node:path";
import ts from "typescript";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");

/** Packages that declare values for all files: the language, Node, and Chai and Vue by way of Vitest and VitePress. */
const OF_PACKAGES = new Set(["typescript", "@types/node", "@types/chai", "@vue/runtime-core"]);

/** Where a value comes from: a package, or a file of the repository. */
function originOf(declaration: ts.Declaration): string {
  const path = declaration.getSourceFile().fileName;
  return /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? relative(root, path);
}

// A declaration outside of a module holds in every file that is compiled with it: a mistake in one of them would pass
// for the use of what another one declares.
it("no file declares a value for all others", { timeout: 120_000 }, () => {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const module = join(root, "scripts/layering/module.ts");
  const host = ts.createCompilerHost(options);
  const { getSourceFile } = host;
  host.getSourceFile = (path, ...rest) =>
    path === module ? ts.createSourceFile(path, "export {};", rest[0]) : getSourceFile(path, ...rest);
  const program = ts.createProgram([...fileNames, module], options, host);
  const source = program.getSourceFile(module);
  if (source === undefined) throw new Error("the module is not in the program");

  const values = program.getTypeChecker().getSymbolsInScope(source, ts.SymbolFlags.Value);
  const declared = values.flatMap(({ name, valueDeclaration: declaration }) => {
    if (declaration === undefined || isModule(declaration) || OF_PACKAGES.has(originOf(declaration)))
      return [];
    return [`${name}, by ${originOf(declaration)}`];
  });
  expect(values.length).toBeGreaterThan(100);
  expect(declared).toEqual([]);
});

/** Whether a declaration is that of a module by its name, which a file has to import. */
function isModule(declaration: ts.Declaration): boolean {
  return ts.isModuleDeclaration(declaration) && ts.isStringLiteral(declaration.name);
}

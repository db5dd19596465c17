import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, posix, relative } from "node:path";

/** What every package says of itself in the same words. */
const SAME: Readonly<Record<string, unknown>> = {
  license: "MIT",
  type: "module",
  engines: { node: ">=20.18.1" },
  publishConfig: { access: "public", provenance: true },
};

/** Files of every package that are no code. */
const BESIDE_CODE = /^(README\.md|LICENSE|package\.json)$/;

/** What code does not import: the command line's starter, the server's empty database, licences of what is built in. */
const BESIDE_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  licentric: [
    "template/README.md",
    "template/gitignore",
    "template/package.json",
    "template/src/call.ts",
    "template/src/client.ts",
    "template/src/main.ts",
    "template/src/server.ts",
    "template/test/server.test.ts",
    "template/tsconfig.json",
  ],
  "@licentric/server": ["dist/empty-database.br", "dist/THIRD-PARTY-LICENSES.txt"],
};

/** What is wrong with a package as it would be published; `directory` is its unpacked tarball. */
export function problemsOf(directory: string): string[] {
  const read = (path: string) => readFileSync(join(directory, path), "utf8");
  const text = read("package.json");
  const manifest: Record<string, unknown> = JSON.parse(text);
  const problems: string[] = [];
  const files = filesIn(directory);

  const { main, types, exports, imports, bin } = manifest;
  const needed = reachable(read, pathsIn([main, types, exports, imports, bin]), new Set(files));
  for (const path of BESIDE_IMPORTS[String(manifest["name"])] ?? []) needed.add(path);
  for (const path of ["README.md", "LICENSE", ...needed]) {
    if (!files.includes(path)) problems.push(`lacks ${path}`);
  }
  // The console's pages are built for a release alone, by `console:build`.
  const isPage = (path: string) => manifest["name"] === "@licentric/console" && path.startsWith("pages/");
  for (const path of files) {
    if (isPage(path)) continue;
    if (!needed.has(path) && !BESIDE_CODE.test(path)) problems.push(`has ${path}, which nothing needs`);
  }

  for (const path of pathsIn(bin)) {
    if (!files.includes(path)) continue;
    if ((statSync(join(directory, path)).mode & 0o111) !== 0o111) problems.push(`${path} is not executable`);
    if (!read(path).startsWith("#!/usr/bin/env node\n")) problems.push(`${path} has no shebang`);
  }

  for (const [member, value] of Object.entries(SAME)) {
    if (JSON.stringify(manifest[member]) !== JSON.stringify(value)) {
      problems.push(`has ${member} ${JSON.stringify(manifest[member])}, not ${JSON.stringify(value)}`);
    }
  }
  for (const member of ["description", "keywords"]) {
    if (!manifest[member]) problems.push(`has no ${member}`);
  }
  for (const protocol of ["workspace:", "catalog:", "link:", "file:"]) {
    if (text.includes(`"${protocol}`)) problems.push(`asks for something by ${protocol}`);
  }
  for (const [name, range] of Object.entries(asRecord(manifest["dependencies"]))) {
    const ours = name === "licentric" || name.startsWith("@licentric/");
    if (ours && range !== `^${manifest["version"]}`) problems.push(`asks for ${name} ${range}`);
  }
  // A registry shows the README, and has no file beside it.
  for (const [, link] of read("README.md").matchAll(/\]\((?!https?:|#)([^)]+)\)/g)) {
    problems.push(`README.md links to ${link}`);
  }
  return problems;
}

/** The bytes of all files. */
export function unpackedSize(directory: string): number {
  return filesIn(directory).reduce((sum, path) => sum + statSync(join(directory, path)).size, 0);
}

/** The files that are entries, and those that files of them import. */
function reachable(read: (path: string) => string, entries: string[], there: Set<string>): Set<string> {
  const found = new Set<string>();
  const visit = (path: string) => {
    if (found.has(path)) return;
    found.add(path);
    if (!there.has(path) || !/\.(js|cjs|d\.ts|d\.cts)$/.test(path)) return;
    // Where a parenthesis follows, it is the name that a bundler gives a module that it has taken in.
    for (const [, target = ""] of read(path).matchAll(/["'](\.\.?\/[^"'\n]+\.c?js)["'](?!\()/g)) {
      const imported = posix.join(posix.dirname(path), target);
      // Declarations name the code that they belong to.
      visit(/\.d\.c?ts$/.test(path) ? imported.replace(/\.(c?)js$/, ".d.$1ts") : imported);
    }
  };
  for (const entry of entries) visit(entry);
  found.delete("package.json");
  return found;
}

/** Every path in a part of a manifest, however deep. */
function pathsIn(part: unknown): string[] {
  if (typeof part === "string") return [posix.normalize(part)];
  return typeof part === "object" && part !== null ? Object.values(part).flatMap(pathsIn) : [];
}

function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => relative(directory, join(parentPath, name)))
    .toSorted();
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

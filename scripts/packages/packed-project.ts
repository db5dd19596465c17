import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { digestOf, makeOnce } from "./make-once.ts";
import { packageDirectory, packageSources } from "./package-sources.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const cache = join(root, "node_modules/.cache/packed");
const tsc = join(root, "node_modules/typescript-native/bin/tsc");

// Where pnpm runs the tests, it says how to run itself.
const [pnpm = "", ...pnpmArguments] = /pnpm/.test(process.env["npm_execpath"] ?? "")
  ? [process.execPath, process.env["npm_execpath"] ?? ""]
  : ["npx", "-y", "pnpm@10"];

/** The tarballs of packages as they would be published, by the packages' names. */
export type PackedPackages = Readonly<Record<string, string>>;

/**
 * Builds and packs packages of this workspace, given by their folders, each after those that it depends on. What
 * has not changed since it was packed is not built again.
 */
export async function packPackages(folders: readonly string[]): Promise<PackedPackages> {
  const tarballs: Record<string, string> = {};
  for (const [index, folder] of folders.entries()) {
    const directory = packageDirectory(folder);
    const { name, version } = manifestOf(directory);
    // Declarations depend on the packages before.
    const digest = digestOf(packageSources(folders.slice(0, index + 1)));
    const buildAndPack = async (into: string) => {
      await run(pnpm, [...pnpmArguments, "run", "build"], { cwd: directory });
      await run(pnpm, [...pnpmArguments, "pack", "--pack-destination", into], { cwd: directory });
    };
    // No other is kept: what is in `dist` is what was packed.
    const packed = await makeOnce(join(cache, folder), digest, buildAndPack, 0);
    tarballs[name] = join(packed, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);
  }
  return tarballs;
}

/** A way in which a user compiles. */
export interface Compilation {
  readonly files: readonly string[];
  readonly compilerOptions: object;
  /** What the files are that do not say so by their extension. `module` by default. */
  readonly type?: "module" | "commonjs";
}

/** A user's project. */
export interface Project {
  readonly directory: string;
  /** Runs a script of the project with these variables added to the environment. */
  run(
    script: string,
    environment: Readonly<Record<string, string>>,
  ): Promise<{ stdout: string; stderr: string }>;
  /**
   * Compiles files of the project in several ways, by one compiler, which reads most of what they need once.
   *
   * @returns what it has to say against each, "" where nothing; what it says against a dependency, of each
   */
  compile(ways: Readonly<Record<string, Compilation>>): Promise<Readonly<Record<string, string>>>;
  remove(): void;
}

/**
 * Makes an empty project outside the workspace and installs packed packages into it, as a user's package manager
 * would: what a package does not declare, it does not find.
 */
export async function createProject(options: {
  readonly packed: PackedPackages;
  /** The names of packages: packed ones get their tarball, others the version that `from` has. */
  readonly dependencies: readonly string[];
  /** Other versions than that, by the packages' names. */
  readonly versions?: Readonly<Record<string, string>>;
  /** A folder of the workspace that has the dependencies which are not packed. */
  readonly from: string;
  /** A folder whose files the project starts with; without it, it has none. */
  readonly files?: string;
}): Promise<Project> {
  const { packed, from } = options;
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "licentric-project-")));
  const versions = options.dependencies.map((name) => [
    name,
    packed[name] ?? options.versions?.[name] ?? manifestOf(join(from, "node_modules", name)).version,
  ]);
  const manifest = {
    private: true,
    type: "module",
    dependencies: Object.fromEntries(versions),
    // Packed packages find each other, and not what the registry may have under their names.
    pnpm: { overrides: packed },
  };
  writeFileSync(join(directory, "package.json"), JSON.stringify(manifest));
  await run(pnpm, [...pnpmArguments, "install", "--ignore-workspace", "--prefer-offline"], {
    cwd: directory,
  });
  if (options.files !== undefined) cpSync(options.files, directory, { recursive: true });
  return {
    directory,
    run: (script, environment) =>
      run(process.execPath, [script], {
        cwd: directory,
        env: { ...process.env, ...environment },
        timeout: 30_000,
      }),
    compile: (ways) => compile(directory, ways),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Compiles in a folder for each way, named by its number, whose `package.json` says what its files are. */
async function compile(
  directory: string,
  ways: Readonly<Record<string, Compilation>>,
): Promise<Record<string, string>> {
  const target = { target: "es2023", lib: ["es2023"], types: ["node"], strict: true, noEmit: true };
  const folders = Object.keys(ways).map((_, index) => `way-${index}`);
  for (const [index, { files, compilerOptions, type = "module" }] of Object.values(ways).entries()) {
    const folder = join(directory, `way-${index}`);
    mkdirSync(folder);
    for (const file of files) cpSync(join(directory, file), join(folder, file));
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type }));
    const options = { ...target, exactOptionalPropertyTypes: true, ...compilerOptions };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files }));
  }
  const said = await run(process.execPath, [tsc, "--build", "--pretty", "false", ...folders], {
    cwd: directory,
  }).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  );
  // A problem begins with the file that it is in, and goes on in lines that are indented.
  const problems = said.split(/^(?! )/m);
  return Object.fromEntries(
    Object.keys(ways).map((name, own) => {
      const others = folders.filter((_, index) => index !== own);
      return [name, problems.filter((one) => !others.some((other) => one.startsWith(`${other}/`))).join("")];
    }),
  );
}

function manifestOf(directory: string): { name: string; version: string } {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
}

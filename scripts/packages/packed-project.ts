import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { waitForLock } from "fs-native-extensions";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const cache = join(root, "node_modules/.cache/packed");
const tsc = join(root, "node_modules/typescript/lib/tsc.js");

// Where pnpm runs the tests, it says how to run itself.
const [pnpm = "", ...pnpmArguments] = /pnpm/.test(process.env["npm_execpath"] ?? "")
  ? [process.execPath, process.env["npm_execpath"] ?? ""]
  : ["npx", "-y", "pnpm@10"];

/** The folders of all packages, each after those that it depends on. */
export const packageFolders: readonly string[] = ["contract", "sdk", "mcp", "server", "cli"];

/** The tarballs of packages as they would be published, by the packages' names. */
export type PackedPackages = Readonly<Record<string, string>>;

/**
 * Builds and packs packages of this workspace, given by their folders, each after those that it depends on. What
 * has not changed since it was packed is not built again.
 */
export async function packPackages(folders: readonly string[]): Promise<PackedPackages> {
  const tarballs: Record<string, string> = {};
  const sources = createHash("sha256");
  for (const file of ["pnpm-lock.yaml", "tsconfig.base.json"]) sources.update(readFileSync(join(root, file)));
  await alone(async () => {
    for (const folder of folders) {
      const directory = join(root, "packages", folder);
      // Declarations depend on the packages before: what is hashed here goes into every digest after it.
      for (const file of sourcesOf(directory))
        sources.update(file).update(readFileSync(join(directory, file)));
      const { name, version } = manifestOf(directory);
      const packed = join(cache, folder, sources.copy().digest("hex"));
      const tarball = join(packed, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);
      if (!existsSync(tarball)) {
        rmSync(join(cache, folder), { recursive: true, force: true });
        await run(pnpm, [...pnpmArguments, "run", "build"], { cwd: directory });
        await run(pnpm, [...pnpmArguments, "pack", "--pack-destination", packed], { cwd: directory });
      }
      tarballs[name] = tarball;
    }
  });
  return tarballs;
}

/** Everything that a package is built of. */
function sourcesOf(directory: string): string[] {
  const inFolders = ["src", "template"]
    .map((folder) => join(directory, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(directory, join(parentPath, name)));
  return [...inFolders.toSorted(), "package.json", "tsup.config.ts", "README.md", "LICENSE"];
}

/** A user's project. */
export interface Project {
  readonly directory: string;
  /** Runs a script of the project with these variables added to the environment. */
  run(
    script: string,
    environment: Readonly<Record<string, string>>,
  ): Promise<{ stdout: string; stderr: string }>;
  /** Compiles files of the project; answers what the compiler has to say against them, "" where nothing. */
  compile(files: readonly string[], compilerOptions: object, type?: "module" | "commonjs"): Promise<string>;
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
  /** A folder whose files the project starts with. */
  readonly files: string;
}): Promise<Project> {
  const { packed, from } = options;
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "licentric-project-")));
  const versions = options.dependencies.map((name) => [
    name,
    packed[name] ?? options.versions?.[name] ?? manifestOf(join(from, "node_modules", name)).version,
  ]);
  const manifest = {
    private: true,
    dependencies: Object.fromEntries(versions),
    // Packed packages find each other, and not what the registry may have under their names.
    pnpm: { overrides: packed },
  };
  const write = (type: string) =>
    writeFileSync(join(directory, "package.json"), JSON.stringify({ ...manifest, type }));
  write("module");
  await run(pnpm, [...pnpmArguments, "install", "--ignore-workspace", "--prefer-offline"], {
    cwd: directory,
  });
  cpSync(options.files, directory, { recursive: true });
  return {
    directory,
    run: (script, environment) =>
      run(process.execPath, [script], {
        cwd: directory,
        env: { ...process.env, ...environment },
        timeout: 30_000,
      }),
    async compile(files, compilerOptions, type = "module") {
      write(type);
      const base = { target: "es2023", lib: ["es2023"], types: ["node"], strict: true, noEmit: true };
      writeFileSync(
        join(directory, "tsconfig.json"),
        JSON.stringify({
          compilerOptions: { ...base, exactOptionalPropertyTypes: true, ...compilerOptions },
          files,
        }),
      );
      return run(process.execPath, [tsc, "-p", "."], { cwd: directory }).then(
        () => "",
        (error: { stdout: string }) => error.stdout,
      );
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function manifestOf(directory: string): { name: string; version: string } {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
}

/** Test files run side by side, and each would build into the same folders. */
async function alone(work: () => Promise<void>): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const file = await open(join(cache, "lock"), "a+");
  try {
    await waitForLock(file.fd);
    await work();
  } finally {
    await file.close();
  }
}

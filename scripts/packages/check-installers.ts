import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { PackedPackages } from "./packed-project.ts";
import { startPackedRegistry } from "./packed-registry.ts";

const run = promisify(execFile);

/** A package manager, told to refuse what does not fit the Node that it runs on. */
interface Installer {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: (registry: string, scratch: string) => Readonly<Record<string, string>>;
  /** Finds its warnings in what it prints. */
  readonly warning: RegExp;
}

const INSTALLERS: readonly Installer[] = [
  {
    name: "npm",
    command: ["npm", "install", "--engine-strict", "--no-audit", "--no-fund"],
    env: (registry) => ({ npm_config_registry: registry }),
    warning: /^npm (warn|error)\b.*/gim,
  },
  {
    name: "pnpm",
    command: ["npx", "-y", "pnpm@10", "install", "--config.engine-strict=true"],
    env: (registry) => ({ npm_config_registry: registry }),
    warning: /^.*\b(WARN|ERR_PNPM)\b.*/gm,
  },
  {
    name: "yarn 1",
    command: ["npx", "-y", "yarn@1.22.22", "install", "--non-interactive", "--json"],
    env: (registry, scratch) => ({
      YARN_REGISTRY: registry,
      npm_config_registry: registry,
      YARN_CACHE_FOLDER: join(scratch, "cache"),
    }),
    warning: /^.*"type":"(warning|error)".*/gm,
  },
  {
    name: "yarn 4",
    command: ["npx", "-y", "@yarnpkg/cli-dist@4", "install", "--json"],
    env: (registry, scratch) => ({
      YARN_NPM_REGISTRY_SERVER: registry,
      YARN_UNSAFE_HTTP_WHITELIST: "*",
      YARN_ENABLE_TELEMETRY: "0",
      YARN_ENABLE_IMMUTABLE_INSTALLS: "false",
      // It keeps packages by name and version, and this version changes from one build to the next.
      YARN_ENABLE_GLOBAL_CACHE: "false",
      YARN_CACHE_FOLDER: join(scratch, "cache"),
      YARN_NODE_LINKER: "node-modules",
      // What was packed just now is not held back for its youth.
      YARN_NPM_MINIMAL_AGE_GATE: "0",
    }),
    warning: /^.*"type":"(warning|error)".*/gm,
  },
];

/**
 * Yarn 1 knows no other engines than Node and its package managers, and says so of a dependency of
 * `fs-native-extensions`, which it installs all the same.
 */
const OF_OTHERS = /require-addon@\S+ The engine .* appears to be invalid/;

/**
 * Installs all packed packages with each package manager, which refuses what does not fit this Node.
 *
 * @returns the warnings and errors of each, with its name
 */
export async function problemsOfInstallers(packed: PackedPackages): Promise<string[]> {
  const registry = await startPackedRegistry(packed);
  const problems: string[] = [];
  try {
    for (const installer of INSTALLERS) {
      const started = performance.now();
      const found = await installWith(installer, Object.keys(packed), registry.url);
      console.log(`${installer.name}: ${((performance.now() - started) / 1_000).toFixed(1)} s`);
      problems.push(...found.map((problem) => `${installer.name}: ${problem}`));
    }
  } finally {
    registry.close();
  }
  return problems;
}

/** Returns this process's environment without what the package manager that runs this has put into it. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm|pnpm)_/i.test(name)));
}

async function installWith(
  { command, env, warning }: Installer,
  names: readonly string[],
  registry: string,
): Promise<string[]> {
  const scratch = mkdtempSync(join(tmpdir(), "licentric-installer-"));
  const [file = "", ...args] = command;
  try {
    const manifest = {
      name: "project",
      version: "1.0.0",
      private: true,
      license: "UNLICENSED",
      dependencies: Object.fromEntries(names.map((name) => [name, "*"])),
    };
    writeFileSync(join(scratch, "package.json"), JSON.stringify(manifest));
    // Without it, Yarn 4 looks for a project above.
    writeFileSync(join(scratch, "yarn.lock"), "");
    const { stdout, stderr } = await run(file, args, {
      cwd: scratch,
      env: { ...ownEnvironment(), ...env(registry, scratch) },
      maxBuffer: 100_000_000,
    });
    return (`${stdout}\n${stderr}`.match(warning) ?? []).filter((line) => !OF_OTHERS.test(line));
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return [`${stdout}\n${stderr}`.match(warning)?.join("\n") ?? String(error)];
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseEnv } from "node:util";
import { isLoopback } from "./is-loopback.ts";

/** The variables that `licentric dev` writes for programs that are developed beside it. */
export interface DevelopmentVariables {
  readonly LICENTRIC_BASE_URL: string;
  readonly LICENTRIC_API_KEY: string;
  /** An agent's, for clients to call with. */
  readonly LICENTRIC_AGENT_TOKEN: string;
}

/** The file of the variables of `licentric dev`: `.licentric/env`, or `env` in the data directory named. */
export function variablesFile(dataDirectory: string | undefined): string {
  return dataDirectory ? join(dataDirectory, "env") : join(".licentric", "env");
}

/** Reads the variables of a file, in which others may have written; none where it is missing. */
export async function readVariables(file: string): Promise<Partial<DevelopmentVariables>> {
  try {
    const { LICENTRIC_BASE_URL, LICENTRIC_API_KEY, LICENTRIC_AGENT_TOKEN } = parseEnv(
      await readFile(file, "utf8"),
    );
    return {
      ...(LICENTRIC_BASE_URL && { LICENTRIC_BASE_URL }),
      ...(LICENTRIC_API_KEY && { LICENTRIC_API_KEY }),
      ...(LICENTRIC_AGENT_TOKEN && { LICENTRIC_AGENT_TOKEN }),
    };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw error;
  }
}

/** Writes the variables for their owner alone, and keeps git from taking the folder `.licentric`. */
export async function writeVariables(file: string, variables: DevelopmentVariables): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  const partial = `${file}.partial`;
  await writeFile(partial, `# Written by \`licentric dev\`, for development.\n${lines.join("")}`, {
    mode: 0o600,
  });
  await chmod(partial, 0o600);
  await rename(partial, file);
  if (folder === ".licentric") await writeFile(join(folder, ".gitignore"), "*\n");
}

/**
 * Adds the key and the address of `licentric dev` to an environment that names neither. Both or none: no key is sent to
 * another API than it is of. Of the file, only a test key and an address of this machine are taken, and nothing where
 * `NODE_ENV` is `production`.
 */
export async function loadDevelopmentVariables(env: NodeJS.ProcessEnv): Promise<void> {
  if (env["LICENTRIC_API_KEY"] || env["LICENTRIC_BASE_URL"] || env["NODE_ENV"] === "production") return;
  const { LICENTRIC_BASE_URL, LICENTRIC_API_KEY } = await readVariables(
    variablesFile(env["LICENTRIC_DATA_DIR"]),
  );
  if (!LICENTRIC_API_KEY?.startsWith("lk_test_") || !isLoopback(LICENTRIC_BASE_URL ?? "")) return;
  Object.assign(env, { LICENTRIC_BASE_URL, LICENTRIC_API_KEY });
}

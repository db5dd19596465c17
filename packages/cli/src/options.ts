import type { Config, Database } from "@licentric/server";
import { type Command, Option } from "commander";
import { usageError } from "./exit-codes.ts";
import { wholeNumber } from "./parse.ts";

/** Flags that stand for an environment variable, and win over it. */
const VARIABLES = {
  databaseUrl: "DATABASE_URL",
  dataDir: "LICENTRIC_DATA_DIR",
  host: "HOST",
  port: "PORT",
  logLevel: "LOG_LEVEL",
} as const;

/**
 * The options for where the data is, where the API listens and how much it logs, as a command line may give
 * them.
 */
export type ConfigOptions = { readonly [Flag in keyof typeof VARIABLES]?: string | number };

/** Gives a command the options that say where the data is. */
export function withDatabaseOptions(command: Command): Command {
  return command
    .option("--database-url <url>", "PostgreSQL to use instead of the embedded database (env: DATABASE_URL)")
    .option(
      "--data-dir <directory>",
      "where the embedded database is; .licentric/data by default (env: LICENTRIC_DATA_DIR)",
    );
}

/** Gives a command the options that say where the data is and where the API listens. */
export function withListenOptions(command: Command): Command {
  return withDatabaseOptions(command)
    .option("--host <address>", "address to listen on; 127.0.0.1 by default (env: HOST)")
    .addOption(
      new Option(
        "--port <number>",
        "port to listen on, 0 for any free one; 4242 by default (env: PORT)",
      ).argParser(wholeNumber(0, 65_535)),
    )
    .addOption(
      new Option("--log-level <level>", "what is logged on standard error (env: LOG_LEVEL)").choices([
        "fatal",
        "error",
        "warn",
        "info",
        "debug",
        "silent",
      ]),
    );
}

/**
 * The server's configuration: the environment, with the flags over it.
 *
 * @throws ConfigError which names every variable that is wrong
 */
export async function configOf(options: ConfigOptions, env: NodeJS.ProcessEnv): Promise<Config> {
  if (options.databaseUrl !== undefined && options.dataDir !== undefined) {
    throw usageError("The data is in one place: give --database-url or --data-dir, not both.");
  }
  const { readConfig } = await import("@licentric/server");
  const said: Record<string, string | undefined> = { ...env };
  // A flag wins over the environment, also where that names the other kind of database.
  if (options.dataDir !== undefined) said["DATABASE_URL"] = undefined;
  for (const [flag, variable] of Object.entries(VARIABLES)) {
    const value = Object.entries(options).find(([name]) => name === flag)?.[1];
    if (value !== undefined) said[variable] = String(value);
  }
  return readConfig(said);
}

/** Works in the database that flags and environment name, and closes it. */
export async function inDatabase<Result>(
  options: ConfigOptions,
  env: NodeJS.ProcessEnv,
  work: (db: Database) => Promise<Result>,
): Promise<Result> {
  const db = await openConfigured(options, env);
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

/** Opens the database that flags and environment name. */
export async function openConfigured(options: ConfigOptions, env: NodeJS.ProcessEnv): Promise<Database> {
  const { database } = await configOf(options, env);
  const { openDatabase } = await import("@licentric/server");
  return openDatabase(database);
}

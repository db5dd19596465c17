import { resolve } from "node:path";
import { Command } from "commander";
import { usageError } from "../exit-codes.ts";
import { type ConfigOptions, configOf } from "../options.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { withProgress } from "../terminal/progress.ts";

interface BackupOptions extends ConfigOptions, OutputOptions {}

const dataDirOption = [
  "--data-dir <directory>",
  "the data directory; .licentric/data by default (env: LICENTRIC_DATA_DIR)",
] as const;

/** `licentric backup`: the embedded database as one file. */
export function backupCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("backup")
    .argument("[file]", "the file to make; licentric-<time>.tar.gz by default")
    .option(...dataDirOption)
    .addOption(jsonOption())
    .action(async (named: string | undefined, options: BackupOptions) => {
      const directory = await embeddedDirectory(options, env, "pg_dump makes a backup of it.");
      const file = resolve(named ?? `licentric-${new Date().toISOString().replace(/[:.]/g, "-")}.tar.gz`);
      const { backupDatabase } = await import("@licentric/server");
      await withProgress("writing the backup", () => backupDatabase(directory, file));
      print(
        options,
        { file, directory },
        () =>
          `Wrote ${file}.\nThe file secret-key, from which webhooks' secrets follow, is not in it: keep a copy elsewhere.\n`,
      );
    });
}

/** `licentric restore`: a new data directory out of a backup. */
export function restoreCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("restore")
    .argument("<file>", "what `licentric backup` wrote")
    .option(...dataDirOption)
    .addOption(jsonOption())
    .action(async (named: string, options: BackupOptions) => {
      const directory = await embeddedDirectory(options, env, "pg_restore or psql fills it.");
      const file = resolve(named);
      const { restoreDatabase } = await import("@licentric/server");
      await withProgress("restoring the backup", () => restoreDatabase(file, directory));
      print(options, { file, directory }, () => {
        const isDefault = directory === resolve(".licentric/data");
        const start = isDefault ? "licentric start" : `licentric start --data-dir ${shellWord(directory)}`;
        return `Restored ${directory}.\nNext: ${start}\n`;
      });
    });
}

/** A path as a shell takes it for one word. */
function shellWord(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

async function embeddedDirectory(
  options: ConfigOptions,
  env: NodeJS.ProcessEnv,
  forPostgres: string,
): Promise<string> {
  const { database } = await configOf(options, env);
  if ("dataDirectory" in database) return resolve(database.dataDirectory);
  throw usageError(
    `The data is in the PostgreSQL of DATABASE_URL: ${forPostgres} For an embedded database, name it with --data-dir.`,
  );
}

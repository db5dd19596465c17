import type { ArchivedMonth } from "@licentric/server";
import { Command } from "commander";
import { withCurrentDatabase } from "../current-database.ts";
import { type ConfigOptions, configOf, withDatabaseOptions } from "../options.ts";
import { type ConfirmOptions, confirm, yesOption } from "../terminal/confirm.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { withProgress } from "../terminal/progress.ts";

interface ArchiveOptions extends ConfigOptions, OutputOptions, ConfirmOptions {
  readonly to: string;
  readonly exportOnly?: true;
}

/** `licentric usage archive`: a month of events in a file, and no longer in the database. */
export function archiveCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("archive")
    .description(
      "export the events that were recorded in a month, of all accounts, and remove them; totals and invoices stay",
    )
    .argument("<month>", "in UTC, for example 2026-01; its periods must be closed and invoiced")
    .option("--to <directory>", "where the file is written", "archive")
    .option("--export-only", "write the file and remove nothing");
  return withDatabaseOptions(command)
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (month: string, options: ArchiveOptions) => {
      const { to: directory, exportOnly = false } = options;
      const { database, server } = await configOf(options, env);
      const keysKept = server.retention?.idempotencyKeys;
      if (!exportOnly) await confirm(`Remove the events of ${month} after they are exported?`, options);
      const { archiveEvents } = await import("@licentric/server");
      const archived = await withProgress("archiving events", () =>
        withCurrentDatabase(database, (db) =>
          archiveEvents(db, { month, directory, exportOnly, ...(keysKept && { keysKept }) }, "cli"),
        ),
      );
      print(options, archived, archivedView);
    });
}

function archivedView({ file, sha256, eventCount, removed }: ArchivedMonth): string {
  const events = `${eventCount.toLocaleString("en-US")} ${eventCount === 1 ? "event" : "events"}`;
  const stay = removed
    ? "They are removed from the database, and their sums are kept: the books can be proved as before.\n"
    : "They are in the database as before.\n";
  return `${events} in ${file}\nSHA-256 ${sha256}\n${stay}`;
}

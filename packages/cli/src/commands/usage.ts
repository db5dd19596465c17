import type { Licentric, UsageEvent, UsageTotal, UsageTotalsParams } from "@licentric/sdk";
import type { DatabaseLocation, TotalsDifference } from "@licentric/server";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { withCurrentDatabase } from "../current-database.ts";
import { EXIT } from "../exit-codes.ts";
import { type ListOptions, listRows, listView, readList, withListOptions } from "../list.ts";
import { requireUsersExist, toUsageFilters, type UserOptions, withUserOptions } from "../narrowing.ts";
import { type ConfigOptions, configOf, withDatabaseOptions } from "../options.ts";
import { periodIdOf, readPeriod } from "../read-period.ts";
import { requireExists } from "../require-exists.ts";
import { shownQuantity } from "../show/quantity.ts";
import { shownTime } from "../show/time.ts";
import { toCsv } from "../terminal/csv.ts";
import {
  csvOption,
  jsonOption,
  type OutputOptions,
  print,
  printRows,
  type RowsOutputOptions,
} from "../terminal/print.ts";
import { withProgress } from "../terminal/progress.ts";
import { table } from "../terminal/table.ts";
import { adjustCommand, adjustmentsCommand, refundCommand } from "./adjust.ts";
import { archiveCommand } from "./archive.ts";
import { recordCommand } from "./usage-record.ts";
import { resendCommand } from "./usage-resend.ts";
import { timeseriesCommand } from "./usage-timeseries.ts";

interface Narrowing extends UserOptions {
  readonly period?: string;
}

type EventsOptions = ListOptions & Narrowing & RowsOutputOptions & { readonly idempotencyKey?: string };

type Dimension = NonNullable<UsageTotalsParams["groupBy"]>[number];

interface TotalsOptions extends RowsOutputOptions, Narrowing {
  readonly by?: Dimension[];
}

const DIMENSIONS: readonly Dimension[] = ["agent", "customer", "day"];

/** The properties of a total that dimensions become. */
const COLUMNS = { agent: "agentId", customer: "customerId", day: "day" } as const;

/** `licentric usage`: what was recorded. */
export function usageCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("usage")
    .addCommand(totalsCommand(env))
    .addCommand(timeseriesCommand(env))
    .addCommand(eventsCommand(env))
    .addCommand(recordCommand(env))
    .addCommand(resendCommand(env))
    .addCommand(refundCommand(env))
    .addCommand(adjustCommand(env))
    .addCommand(adjustmentsCommand(env))
    .addCommand(checkCommand(env))
    .addCommand(archiveCommand(env));
}

function withNarrowing(command: Command): Command {
  return withUserOptions(command).option(
    "--period <id>",
    "only this period's; its month as 2026-11, `current` and `previous` go, too",
  );
}

function totalsCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("totals").description("sum usage by meter; of the current period by default");
  return withNarrowing(command)
    .addOption(new Option("--by <dimension...>", "sum by these, too").choices(DIMENSIONS))
    .addOption(csvOption())
    .addOption(jsonOption())
    .action(async ({ by: groupBy = [], json, csv, ...narrowing }: TotalsOptions) => {
      const totals = await callApi(env, "summing usage", async (client) => {
        const rows = await client.usage.totals({
          ...(await toParams(client, narrowing)),
          ...(groupBy.length > 0 && { groupBy }),
        });
        if (rows.length === 0) await requireAllExist(client, narrowing);
        return rows;
      });
      printRows({ ...(json && { json }), ...(csv && { csv }) }, totals, {
        view: (rows) => (rows.length === 0 ? "No usage.\n" : totalsTable(rows, groupBy)),
        rows: (rows) =>
          toCsv(
            ["meterName", ...groupBy.map((each) => COLUMNS[each]), "quantity", "eventCount"],
            rows.map((row) => ({ ...row, quantity: shownQuantity(row) })),
          ),
      });
    });
}

function totalsTable(rows: readonly UsageTotal[], groupBy: readonly Dimension[]): string {
  return table(
    ["METER", ...groupBy.map((each) => each.toUpperCase()), "QUANTITY", "EVENTS"],
    rows.map((row) => [
      row.meterName,
      ...groupBy.map((each) => row[COLUMNS[each]]),
      shownQuantity(row),
      row.eventCount,
    ]),
  );
}

function eventsCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("events").description("list usage events, newest first");
  const narrowable = withNarrowing(command).option(
    "--idempotency-key <key>",
    "the event under this key, as a receipt names it; with --agent, this agent's alone",
  );
  return withListOptions(narrowable.addOption(csvOption())).action(async (options: EventsOptions) => {
    const { idempotencyKey } = options;
    const events = await callApi(env, "listing usage", async (client, report) => {
      const narrowed = {
        ...(await toParams(client, options)),
        ...(idempotencyKey !== undefined && { idempotencyKey }),
      };
      const found = await readList(options, report, (page) =>
        client.usage.listEvents({ ...narrowed, ...page }),
      );
      if (found.data.length === 0) await requireAllExist(client, options);
      return found;
    });
    printRows(options, events, {
      view: listView("No usage.", eventsTable),
      rows: listRows((items) => toCsv(EVENT_COLUMNS, items)),
    });
  });
}

function eventsTable(events: readonly UsageEvent[]): string {
  return table(
    ["TIME", "METER", "QUANTITY", "AGENT", "ID"],
    events.map(({ timestamp, meterName, quantity, agentId, id }) => [
      shownTime(timestamp),
      meterName,
      quantity,
      agentId,
      id,
    ]),
  );
}

const EVENT_COLUMNS = [
  "timestamp",
  "meterName",
  "quantity",
  "agentId",
  "periodId",
  "idempotencyKey",
  "createdAt",
  "id",
] as const;

/** Reads the database itself: whoever doubts the API's totals does not ask the API. */
function checkCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("check").description(
    "sum up all events again and compare with the totals that are billed; ends with 1 where they differ; stop the API on an embedded database first",
  );
  return withDatabaseOptions(command)
    .addOption(jsonOption())
    .action(async (options: ConfigOptions & OutputOptions) => {
      const { database } = await configOf(options, env);
      const differences = await withProgress("summing up all events", () => differencesIn(database));
      print(options, { differences }, () => differencesView(differences));
      if (differences.length > 0) process.exitCode = EXIT.error;
    });
}

async function differencesIn(location: DatabaseLocation): Promise<TotalsDifference[]> {
  const { checkTotals } = await import("@licentric/server");
  return withCurrentDatabase(location, (db) => checkTotals(db));
}

function differencesView(differences: readonly TotalsDifference[]): string {
  if (differences.length === 0) return "Every total is the sum of its events.\n";
  return table(
    ["PERIOD", "AGENT", "METER", "DAY", "TOTAL", "EVENTS' SUM"],
    differences.map(({ periodId, agentId, meterName, day, kept, computed }) => [
      periodId,
      agentId,
      meterName ?? "(deleted)",
      day,
      `${kept.quantity} in ${kept.eventCount}`,
      `${computed.quantity} in ${computed.eventCount}`,
    ]),
  );
}

async function requireAllExist(client: Licentric, { period, ...users }: Narrowing): Promise<void> {
  if (period !== undefined) await requireExists(readPeriod(client, period));
  await requireUsersExist(client, users);
}

async function toParams(client: Licentric, { period, ...users }: Narrowing) {
  const periodId = period && (await periodIdOf(client, period));
  return { ...(await toUsageFilters(client, users)), ...(periodId && { periodId }) };
}

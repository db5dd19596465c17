import type { Licentric, UsageTotalsParams } from "@licentric/sdk";
import type { DatabaseLocation, TotalsDifference } from "@licentric/server";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { withCurrentDatabase } from "../current-database.ts";
import { EXIT } from "../exit-codes.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { meterId } from "../meter-id.ts";
import { type ConfigOptions, configOf, withDatabaseOptions } from "../options.ts";
import { periodIdOf, readPeriod } from "../read-period.ts";
import { requireExists } from "../require-exists.ts";
import { shownQuantity } from "../show/quantity.ts";
import { shownTime } from "../show/time.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { withProgress } from "../terminal/progress.ts";
import { table } from "../terminal/table.ts";
import { archiveCommand } from "./archive.ts";

interface Narrowing {
  readonly agent?: string;
  readonly customer?: string;
  readonly meter?: string;
  readonly period?: string;
}

type Dimension = NonNullable<UsageTotalsParams["groupBy"]>[number];

interface TotalsOptions extends OutputOptions, Narrowing {
  readonly by?: Dimension[];
}

const DIMENSIONS: readonly Dimension[] = ["agent", "customer", "day"];

/** `licentric usage`: what was recorded. */
export function usageCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("usage")
    .addCommand(totalsCommand(env))
    .addCommand(eventsCommand(env))
    .addCommand(checkCommand(env))
    .addCommand(archiveCommand(env));
}

function withNarrowing(command: Command): Command {
  return command
    .option("--agent <id>", "only this agent's")
    .option("--customer <id>", "only this customer's agents'")
    .option("--meter <name>", "only this meter's")
    .option("--period <id>", "only this period's; `current` and `previous` go, too");
}

function totalsCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("totals").description("sum usage by meter; of the current period by default");
  return withNarrowing(command)
    .addOption(new Option("--by <dimension...>", "sum by these, too").choices(DIMENSIONS))
    .addOption(jsonOption())
    .action(async ({ by: groupBy = [], json, ...narrowing }: TotalsOptions) => {
      const totals = await callApi(env, "summing usage", async (client) => {
        const rows = await client.usage.totals({
          ...(await toParams(client, narrowing)),
          ...(groupBy.length > 0 && { groupBy }),
        });
        if (rows.length === 0) await requireAllExist(client, narrowing);
        return rows;
      });
      print({ ...(json && { json }) }, totals, (rows) =>
        rows.length === 0
          ? "No usage.\n"
          : table(
              ["METER", ...groupBy.map((each) => each.toUpperCase()), "QUANTITY", "EVENTS"],
              rows.map((row) => [
                row.meterName,
                ...groupBy.map(
                  (each) => ({ agent: row.agentId, customer: row.customerId, day: row.day })[each],
                ),
                shownQuantity(row),
                row.eventCount,
              ]),
            ),
      );
    });
}

function eventsCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("events").description("list usage events, newest first");
  return withListOptions(withNarrowing(command)).action(async (options: ListOptions & Narrowing) => {
    const events = await callApi(env, "listing usage", async (client, report) => {
      const narrowed = await toParams(client, options);
      const found = await readList(options, report, (page) =>
        client.usage.listEvents({ ...narrowed, ...page }),
      );
      if (found.data.length === 0) await requireAllExist(client, options);
      return found;
    });
    print(
      options,
      events,
      listView("No usage.", (items) =>
        table(
          ["TIME", "METER", "QUANTITY", "AGENT", "ID"],
          items.map(({ timestamp, meterName, quantity, agentId, id }) => [
            shownTime(timestamp),
            meterName,
            quantity,
            agentId,
            id,
          ]),
        ),
      ),
    );
  });
}

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

/** No usage is an answer only where what was asked about is there: a mistyped id must not pass for it. */
async function requireAllExist(client: Licentric, narrowing: Narrowing): Promise<void> {
  const { agent, customer, meter, period } = narrowing;
  if (period !== undefined) await requireExists(readPeriod(client, period));
  if (meter !== undefined) await requireExists(meterId(client, meter));
  if (agent !== undefined) await requireExists(client.agents.get(agent));
  if (customer !== undefined) await requireExists(client.customers.get(customer));
}

async function toParams(client: Licentric, narrowing: Narrowing) {
  const { agent: agentId, customer: customerId, meter: meterName, period } = narrowing;
  const periodId = period && (await periodIdOf(client, period));
  return {
    ...(agentId && { agentId }),
    ...(customerId && { customerId }),
    ...(meterName && { meterName }),
    ...(periodId && { periodId }),
  };
}

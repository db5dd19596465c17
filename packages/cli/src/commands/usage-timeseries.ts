import type { UsageIntervalTotal, UsageTimeseriesParams } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { requireUsersExist, toUsageFilters, type UserOptions, withUserOptions } from "../narrowing.ts";
import { dateOrMoment } from "../parse.ts";
import { shownQuantity } from "../show/quantity.ts";
import { shownTime } from "../show/time.ts";
import { toCsv } from "../terminal/csv.ts";
import { csvOption, jsonOption, printRows, type RowsOutputOptions } from "../terminal/print.ts";
import { table } from "../terminal/table.ts";

type Dimension = NonNullable<UsageTimeseriesParams["groupBy"]>[number];

interface TimeseriesOptions extends RowsOutputOptions, UserOptions {
  readonly interval: NonNullable<UsageTimeseriesParams["interval"]>;
  readonly from?: string;
  readonly to?: string;
  readonly by?: Dimension[];
}

const DIMENSIONS: readonly Dimension[] = ["agent", "customer"];

/** `licentric usage timeseries`: usage by hour, day or month. */
export function timeseriesCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("timeseries")
    .description(
      "sum usage by hour, day or month, in the account's time zone; intervals without usage are left out",
    )
    .addOption(
      new Option("--interval <interval>", "up to 7 days by hour, 366 by day, ten years by month")
        .choices(["hour", "day", "month"])
        .default("day"),
    )
    .addOption(
      new Option(
        "--from <time>",
        "a day, or a moment in ISO 8601; 24 hours, 30 days or 12 months before --to by default",
      ).argParser(dateOrMoment),
    )
    .addOption(
      new Option("--to <time>", "the first day or moment that is left out; now by default").argParser(
        dateOrMoment,
      ),
    )
    .addOption(new Option("--by <dimension...>", "sum by these, too").choices(DIMENSIONS));
  return withUserOptions(command)
    .addOption(csvOption())
    .addOption(jsonOption())
    .action(async ({ interval, from, to, by: groupBy = [], ...options }: TimeseriesOptions) => {
      const totals = await callApi(env, "summing usage", async (client) => {
        const rows = await client.usage.timeseries({
          ...(await toUsageFilters(client, options)),
          interval,
          ...(from && { from }),
          ...(to && { to }),
          ...(groupBy.length > 0 && { groupBy }),
        });
        if (rows.length === 0) await requireUsersExist(client, options);
        return rows;
      });
      printRows(options, totals, {
        view: (rows) => (rows.length === 0 ? "No usage.\n" : timeseriesTable(rows, groupBy)),
        rows: (rows) => timeseriesCsv(rows, groupBy),
      });
    });
}

function timeseriesTable(rows: readonly UsageIntervalTotal[], groupBy: readonly Dimension[]): string {
  const named = (row: UsageIntervalTotal) => ({
    agent: [row.agentName, row.agentId],
    customer: [row.customerName, row.customerId],
  });
  return table(
    [
      "FROM",
      "METER",
      ...groupBy.flatMap((each) => [each.toUpperCase(), `${each.toUpperCase()} ID`]),
      "QUANTITY",
      "EVENTS",
    ],
    rows.map((row) => [
      shownTime(row.startsAt),
      row.meterName,
      ...groupBy.flatMap((each) => named(row)[each]),
      shownQuantity(row),
      row.eventCount,
    ]),
  );
}

function timeseriesCsv(rows: readonly UsageIntervalTotal[], groupBy: readonly Dimension[]): string {
  return toCsv(
    [
      "startsAt",
      "endsAt",
      "meterName",
      ...groupBy.flatMap((each) => [`${each}Name`, `${each}Id`] as const),
      "quantity",
      "eventCount",
    ],
    rows.map((row) => ({ ...row, quantity: shownQuantity(row) })),
  );
}

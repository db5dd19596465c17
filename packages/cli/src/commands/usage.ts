import type { Licentric, UsageTotalsParams } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { meterId } from "../meter-id.ts";
import { periodIdOf, readPeriod } from "../read-period.ts";
import { requireExists } from "../require-exists.ts";
import { shownTime } from "../show/time.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { table } from "../terminal/table.ts";

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
    .description("what was recorded")
    .addCommand(totalsCommand(env))
    .addCommand(eventsCommand(env));
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
                row.quantity,
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

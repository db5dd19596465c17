import type { BillingPeriod } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { PERIOD_NAMES, readPeriod } from "../read-period.ts";
import { periodView } from "../show/period.ts";
import { shownStatus } from "../show/status.ts";
import { shownTime } from "../show/time.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { table } from "../terminal/table.ts";

interface PeriodListOptions extends ListOptions {
  readonly status?: NonNullable<BillingPeriod["status"]>;
}

/** `licentric period`: months of usage. */
export function periodCommand(env: NodeJS.ProcessEnv): Command {
  const current = new Command("current")
    .description("show the period that takes usage now, with its totals so far")
    .addOption(jsonOption())
    .action((options: OutputOptions) => show(env, "current", options));

  const showOne = new Command("show")
    .description("show a period with its totals")
    .argument("<period>", PERIOD_NAMES)
    .addOption(jsonOption())
    .action((id: string, options: OutputOptions) => show(env, id, options));

  const list = new Command("list")
    .description("list periods, newest first")
    .addOption(new Option("--status <status>", "only these").choices(["open", "closed"]));
  withListOptions(list).action(async (options: PeriodListOptions) => {
    const { status } = options;
    const periods = await callApi(env, "listing periods", (client, report) =>
      readList(options, report, (page) => client.billing.listPeriods({ ...(status && { status }), ...page })),
    );
    print(
      options,
      periods,
      listView("No periods.", (items) =>
        table(
          ["ID", "STATUS", "STARTS", "ENDS", "EVENTS"],
          items.map((each) => [
            each.id,
            shownStatus(each.status),
            shownTime(each.startsAt),
            shownTime(each.endsAt),
            each.totals?.reduce((sum, { eventCount }) => sum + eventCount, 0),
          ]),
        ),
      ),
    );
  });

  return new Command("period").addCommand(current).addCommand(list).addCommand(showOne);
}

async function show(env: NodeJS.ProcessEnv, id: string, options: OutputOptions): Promise<void> {
  const period = await callApi(env, "reading the period", (client) => readPeriod(client, id));
  print(options, period, periodView);
}

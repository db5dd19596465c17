import type { Licentric } from "@licentric/sdk";
import { Command } from "commander";
import { callApi } from "../call-api.ts";
import { usageError } from "../exit-codes.ts";
import { type ListOptions, listRows, listView, readList, withListOptions } from "../list.ts";
import { requireUsersExist, toUsageFilters } from "../narrowing.ts";
import { PERIOD_NAMES, periodIdOf } from "../read-period.ts";
import { agentCostsCsv, agentCostsTable, previewCsv, previewTable } from "../show/preview.ts";
import { csvOption, printRows, type RowsOutputOptions } from "../terminal/print.ts";

interface PreviewOptions extends ListOptions, RowsOutputOptions {
  readonly customer?: string;
  readonly agent?: string;
  readonly byAgent?: true;
}

const NOTHING = "Nothing so far: there is no usage that an invoice would have.";

/** `licentric invoice preview`: what a period costs before it is invoiced. */
export function previewCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("preview")
    .description("show what a period costs each payer so far, as its invoice would say now; changes nothing")
    .argument("[period]", `${PERIOD_NAMES}, as by default`)
    .option("--customer <name or id>", "only this customer's")
    .option("--by-agent", "what each agent's usage of each meter costs")
    .option("--agent <name or id>", "with --by-agent, only this agent's")
    .addOption(csvOption());
  return withListOptions(command, "customers first, the account itself last").action(
    async (period: string | undefined, options: PreviewOptions) => {
      if (options.byAgent) return showAgents(env, period, options);
      if (options.agent !== undefined) throw usageError("--agent goes with --by-agent.");
      const costs = await callApi(env, "computing costs", async (client, report) => {
        const narrowed = await toNarrowing(client, period, options);
        return readList(options, report, (page) => client.billing.preview({ ...narrowed, ...page }));
      });
      printRows(options, costs, { view: listView(NOTHING, previewTable), rows: listRows(previewCsv) });
    },
  );
}

async function showAgents(
  env: NodeJS.ProcessEnv,
  period: string | undefined,
  options: PreviewOptions,
): Promise<void> {
  const costs = await callApi(env, "computing costs", async (client, report) => {
    const narrowed = await toNarrowing(client, period, options);
    return readList(options, report, (page) => client.billing.previewAgents({ ...narrowed, ...page }));
  });
  printRows(options, costs, { view: listView(NOTHING, agentCostsTable), rows: listRows(agentCostsCsv) });
}

async function toNarrowing(
  client: Licentric,
  period: string | undefined,
  { agent, customer }: PreviewOptions,
) {
  const users = { ...(agent !== undefined && { agent }), ...(customer !== undefined && { customer }) };
  await requireUsersExist(client, users);
  const periodId = period && (await periodIdOf(client, period));
  return { ...(await toUsageFilters(client, users)), ...(periodId && { periodId }) };
}

import type { Licentric } from "@licentric/sdk";
import { Command } from "commander";
import { callApi } from "../call-api.ts";
import { usageError } from "../exit-codes.ts";
import { type ListOptions, listRows, listView, readList, withListOptions } from "../list.ts";
import { requireUsersExist, toUsageFilters, type UserOptions } from "../narrowing.ts";
import { PERIOD_NAMES, periodIdOf, readPeriod } from "../read-period.ts";
import { requireExists } from "../require-exists.ts";
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
        const listed = await readList(options, report, (page) =>
          client.billing.preview({ ...narrowed, ...page }),
        );
        if (listed.data.length === 0) await requireAllExist(client, period, options);
        return listed;
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
    const listed = await readList(options, report, (page) =>
      client.billing.previewAgents({ ...narrowed, ...page }),
    );
    if (listed.data.length === 0) await requireAllExist(client, period, options);
    return listed;
  });
  printRows(options, costs, { view: listView(NOTHING, agentCostsTable), rows: listRows(agentCostsCsv) });
}

async function toNarrowing(client: Licentric, period: string | undefined, users: PreviewOptions) {
  const periodId = period && (await periodIdOf(client, period));
  return { ...(await toUsageFilters(client, toUsers(users))), ...(periodId && { periodId }) };
}

/** Nothing is an answer only where what was asked about is there. */
async function requireAllExist(
  client: Licentric,
  period: string | undefined,
  users: PreviewOptions,
): Promise<void> {
  if (period !== undefined) await requireExists(readPeriod(client, period));
  await requireUsersExist(client, toUsers(users));
}

/** The options that say whose costs are meant: there is no choice of a meter. */
function toUsers({ agent, customer }: PreviewOptions): UserOptions {
  return { ...(agent !== undefined && { agent }), ...(customer !== undefined && { customer }) };
}

import type { Budget } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { usageError } from "../exit-codes.ts";
import { agentIdOf, customerIdOf, NAME_OR_ID } from "../ids.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { wholeNumber } from "../parse.ts";
import { shownStatus } from "../show/status.ts";
import { shownTime } from "../show/time.ts";
import { type ConfirmOptions, confirm, yesOption } from "../terminal/confirm.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { fields, table } from "../terminal/table.ts";

interface BudgetListOptions extends ListOptions {
  readonly agent?: string;
  readonly customer?: string;
  readonly meter?: string;
}

interface CreateOptions extends OutputOptions {
  readonly customer?: string;
  readonly meter?: string;
  readonly limit?: number;
  readonly amount?: string;
  readonly window: Budget["window"];
  readonly warnAt?: number;
  readonly enforced?: boolean;
}

interface UpdateOptions extends OutputOptions {
  readonly limit?: number;
  readonly amount?: string;
  readonly warnAt?: number;
  readonly enforced?: boolean;
}

/** `licentric budgets`: limits on what agents, or a customer's agents together, may use. */
export function budgetsCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("budgets")
    .addCommand(listCommand(env))
    .addCommand(createCommand(env))
    .addCommand(showCommand(env))
    .addCommand(updateCommand(env))
    .addCommand(deleteCommand(env));
}

const warnAtOption = () =>
  new Option("--warn-at <percent>", "share of the limit from which the status is a warning").argParser(
    wholeNumber(1, 100),
  );

const enforcedOption = () =>
  new Option("--enforced", "refuse what does not fit, whatever the caller of the API asks for");

function listCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("list")
    .description("list budgets, newest first, with what is used of each")
    .option("--agent <name or id>", "only this agent's own")
    .option("--customer <name or id>", "only those that this customer's agents share")
    .option("--meter <name>", "only this meter's");
  return withListOptions(command).action(async (options: BudgetListOptions) => {
    const { agent, customer, meter: meterName } = options;
    const budgets = await callApi(env, "listing budgets", async (client, report) => {
      const agentId = agent && (await agentIdOf(client, agent));
      const customerId = customer && (await customerIdOf(client, customer));
      const narrowed = {
        ...(agentId && { agentId }),
        ...(customerId && { customerId }),
        ...(meterName && { meterName }),
      };
      return readList(options, report, (page) => client.budgets.list({ ...narrowed, ...page }));
    });
    print(
      options,
      budgets,
      listView("No budgets. `licentric budgets create <agent>` makes one.", (items) =>
        table(
          [
            "ID",
            "AGENT OR CUSTOMER",
            "METER",
            "WINDOW",
            "USED",
            "LIMIT",
            "STATUS",
            "ENFORCED",
            "STARTS AGAIN",
          ],
          items.map((each) => [
            each.id,
            each.agentId ?? `customer ${each.customerId}`,
            each.meterName ?? "all",
            each.window,
            shownUse(each, "used"),
            shownUse(each, "limit"),
            shownStatus(each.status),
            each.enforced ? "yes" : "no",
            shownTime(each.resetsAt),
          ]),
        ),
      ),
    );
  });
}

function createCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("create")
    .description("limit what an agent, or a customer's agents together, may use of a meter, or spend")
    .argument("[agent]", NAME_OR_ID)
    .option("--customer <name or id>", "the customer whose agents are limited together, instead of an agent")
    .addOption(new Option("--limit <number>", "units that may be used").argParser(wholeNumber(0)))
    .option("--amount <amount>", "money that may be spent, for example 50.00, instead of units")
    .option("--meter <name>", "the meter; by default api_calls and, with --amount, all together")
    .addOption(
      new Option("--window <window>", "when it starts again: each day, each period, never")
        .choices(["day", "period", "total"])
        .default("period"),
    )
    .addOption(warnAtOption())
    .addOption(enforcedOption())
    .addOption(jsonOption())
    .action(async (agent: string | undefined, options: CreateOptions) => {
      const { customer, limit, amount, window, warnAt: warnAtPercent, enforced } = options;
      const meterName = options.meter ?? (amount === undefined ? "api_calls" : undefined);
      if ((agent === undefined) === (customer === undefined)) {
        throw usageError("Name either the agent to limit, or --customer to limit all its agents together.");
      }
      if ((limit === undefined) === (amount === undefined)) {
        throw usageError("Say either --limit, in units, or --amount, in money.");
      }
      const budget = await callApi(env, "creating the budget", async (client) =>
        client.budgets.create({
          ...(agent !== undefined && { agentId: await agentIdOf(client, agent) }),
          ...(customer !== undefined && { customerId: await customerIdOf(client, customer) }),
          ...(meterName !== undefined && { meterName }),
          ...(limit !== undefined && { limit }),
          ...(amount !== undefined && { amount }),
          window,
          ...(warnAtPercent !== undefined && { warnAtPercent }),
          ...(enforced !== undefined && { enforced }),
        }),
      );
      print(options, budget, budgetView);
    });
}

function showCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("show")
    .description("show a budget with what is used of it")
    .argument("<budget>", "its id")
    .addOption(jsonOption())
    .action(async (id: string, options: OutputOptions) => {
      const budget = await callApi(env, "reading the budget", (client) => client.budgets.get(id));
      print(options, budget, budgetView);
    });
}

function updateCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("update")
    .description("change a budget's limit or warning, or whether it is enforced")
    .argument("<budget>", "its id")
    .addOption(new Option("--limit <number>", "units that may be used").argParser(wholeNumber(0)))
    .option("--amount <amount>", "money that may be spent, of a budget in money")
    .addOption(warnAtOption())
    .addOption(enforcedOption())
    .option("--no-enforced", "only warn; what does not fit is recorded all the same")
    .addOption(jsonOption())
    .action(async (id: string, options: UpdateOptions) => {
      const { limit, amount, warnAt: warnAtPercent, enforced } = options;
      const change = {
        ...(limit !== undefined && { limit }),
        ...(amount !== undefined && { amount }),
        ...(warnAtPercent !== undefined && { warnAtPercent }),
        ...(enforced !== undefined && { enforced }),
      };
      if (Object.keys(change).length === 0) {
        throw usageError("Say what to change: --limit, --amount, --warn-at, --enforced or --no-enforced.");
      }
      const budget = await callApi(env, "changing the budget", (client) => client.budgets.update(id, change));
      print(options, budget, budgetView);
    });
}

function deleteCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("delete")
    .description("remove a budget: nothing limits that usage any more")
    .argument("<budget>", "its id")
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (id: string, options: OutputOptions & ConfirmOptions) => {
      const old = await callApi(env, "reading the budget", (client) => client.budgets.get(id));
      const owner = old.agentId === null ? `the customer ${old.customerId}` : `the agent ${old.agentId}`;
      const of = old.meterName === null ? "" : ` ${old.meterName}`;
      await confirm(`Remove the limit of ${shownUse(old, "limit")}${of} from ${owner}?`, options);
      const budget = await callApi(env, "removing the budget", (client) => client.budgets.delete(id));
      print(options, budget, (removed) => `Removed ${removed.id}.\n`);
    });
}

/** An amount with its currency; units as the number that they are. */
function shownUse(budget: Budget, part: "limit" | "used" | "remaining"): string | number {
  const { amounts } = budget;
  return amounts === undefined ? budget[part] : `${amounts[part]} ${amounts.currency.toUpperCase()}`;
}

function budgetView(budget: Budget): string {
  return fields([
    ["id", budget.id],
    ["agent", budget.agentId],
    ["customer", budget.customerId],
    ["meter", budget.meterName ?? "all"],
    ["window", budget.window],
    ["limit", shownUse(budget, "limit")],
    ["used", shownUse(budget, "used")],
    ["remaining", shownUse(budget, "remaining")],
    ["status", shownStatus(budget.status)],
    ["warns at", `${budget.warnAtPercent} %`],
    ["enforced", budget.enforced ? "yes" : "no"],
    ["starts again", shownTime(budget.resetsAt)],
  ]);
}

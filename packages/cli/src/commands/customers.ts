import type { Customer } from "@licentric/sdk";
import { Command } from "commander";
import { callApi } from "../call-api.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { cliMaking } from "../first-account.ts";
import { customerIdOf, NAME_OR_ID } from "../ids.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { type ConfigOptions, inDatabase, withDatabaseOptions } from "../options.ts";
import {
  type PayerOptions,
  payerView,
  toPayer,
  toPayerChange,
  withPayerChanges,
  withPayerOptions,
} from "../payer-options.ts";
import { shownTime } from "../show/time.ts";
import { type ConfirmOptions, confirm, yesOption } from "../terminal/confirm.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { table } from "../terminal/table.ts";
import { discountCommand, discountsCommand, minimumCommand, minimumsCommand } from "./customer-terms.ts";

type CreateOptions = OutputOptions & PayerOptions;

/** `licentric customers`: who pays for agents. */
export function customersCommand(env: NodeJS.ProcessEnv): Command {
  const list = new Command("list")
    .description("list customers, newest first")
    .option("--name <name>", "only those with exactly this name");
  withListOptions(list).action(async (options: ListOptions & { readonly name?: string }) => {
    const { name } = options;
    const customers = await callApi(env, "listing customers", (client, report) =>
      readList(options, report, (page) => client.customers.list({ ...(name && { name }), ...page })),
    );
    print(
      options,
      customers,
      listView("No customers. `licentric customers create <name>` makes one.", (items) =>
        table(
          ["ID", "NAME", "EMAIL", "STRIPE", "STATUS", "CREATED"],
          items.map((each) => [
            each.id,
            each.name,
            each.email,
            each.stripeCustomerId,
            each.stripeStatus,
            shownTime(each.createdAt),
          ]),
        ),
      ),
    );
  });

  return new Command("customers")
    .addCommand(list)
    .addCommand(createCommand(env))
    .addCommand(showCommand(env))
    .addCommand(updateCommand(env))
    .addCommand(discountCommand(env))
    .addCommand(discountsCommand(env))
    .addCommand(minimumCommand(env))
    .addCommand(minimumsCommand(env))
    .addCommand(eraseCommand(env));
}

function createCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("create")
    .description("create a paying customer, for agents created with --customer")
    .argument("<name>", "as it stands on invoices");
  return withPayerOptions(command)
    .addOption(jsonOption())
    .action(async (name: string, options: CreateOptions) => {
      const customer = await callApi(env, "creating the customer", (client) =>
        client.customers.create({ name, ...toPayer(options) }),
      );
      print(options, customer, customerView);
    });
}

function showCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("show")
    .description("show a customer: how he pays, and how he stands with Stripe")
    .argument("<customer>", NAME_OR_ID)
    .addOption(jsonOption())
    .action(async (nameOrId: string, options: OutputOptions) => {
      const customer = await callApi(env, "reading the customer", async (client) =>
        client.customers.get(await customerIdOf(client, nameOrId)),
      );
      print(options, customer, customerView);
    });
}

function updateCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("update")
    .description("change a customer, here and in Stripe")
    .argument("<customer>", NAME_OR_ID);
  return withPayerChanges(command)
    .addOption(jsonOption())
    .action(async (nameOrId: string, options: OutputOptions & PayerOptions) => {
      const change = toPayerChange(options);
      const customer = await callApi(env, "changing the customer", async (client) =>
        client.customers.update(await customerIdOf(client, nameOrId), change),
      );
      print(options, customer, customerView);
    });
}

function eraseCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("erase")
    .description(
      "erase a customer's personal data, in the database itself; what was used and invoiced stays in the books",
    )
    .argument("<customer>", "its id")
    .addOption(yesOption())
    .addOption(jsonOption());
  return withDatabaseOptions(command).action(
    async (id: string, options: ConfigOptions & OutputOptions & ConfirmOptions) => {
      await confirm(`Erase the personal data of ${id} for good, and delete its agents?`, options);
      const { eraseCustomer } = await import("@licentric/server");
      const erased = await inDatabase(options, env, async (db) => eraseCustomer(db, id, await cliMaking()));
      if (erased.outcome === "not-found") {
        throw new CommandError(`No customer has the id "${id}".`, EXIT.notFound);
      }
      if (erased.outcome === "not-invoiced") {
        throw new CommandError(
          `The customer has usage, or a minimum, that is on no invoice, in the periods ${erased.periodIds.join(", ")}. Nothing was erased. Delete its agents, end its minimum (customers minimum --none), close and invoice these periods, and erase it then.`,
          EXIT.conflict,
        );
      }
      print(options, erased, () => {
        const inStripe =
          erased.stripeCustomerId === null
            ? ""
            : `Stripe has data of its own under ${erased.stripeCustomerId}: erase it there, too.\n`;
        return `Erased ${id}, ${erased.agents} agents and the metadata of ${erased.events} usage events.\n${inStripe}`;
      });
    },
  );
}

function customerView(customer: Customer): string {
  return payerView(customer, [["created", shownTime(customer.createdAt)]]);
}

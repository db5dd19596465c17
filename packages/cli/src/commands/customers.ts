import { Command } from "commander";
import { callApi } from "../call-api.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { shownTime } from "../show/time.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { fields, table } from "../terminal/table.ts";

interface CreateOptions extends OutputOptions {
  readonly email?: string;
  readonly stripeCustomer?: string;
}

/** `licentric customers`: who pays for agents. */
export function customersCommand(env: NodeJS.ProcessEnv): Command {
  const list = new Command("list").description("list customers, newest first");
  withListOptions(list).action(async (options: ListOptions) => {
    const customers = await callApi(env, "listing customers", (client, report) =>
      readList(options, report, (page) => client.customers.list(page)),
    );
    print(
      options,
      customers,
      listView("No customers. `licentric customers create <name>` makes one.", (items) =>
        table(
          ["ID", "NAME", "EMAIL", "STRIPE", "CREATED"],
          items.map((each) => [
            each.id,
            each.name,
            each.email,
            each.stripeCustomerId,
            shownTime(each.createdAt),
          ]),
        ),
      ),
    );
  });

  const create = new Command("create")
    .description("create a paying customer, for agents created with --customer")
    .argument("<name>", "as it stands on invoices")
    .option("--email <address>", "where Stripe sends invoices")
    .option("--stripe-customer <id>", "cus_… that is there already; else one is made with the first invoice")
    .addOption(jsonOption())
    .action(async (name: string, options: CreateOptions) => {
      const { email, stripeCustomer: stripeCustomerId } = options;
      const customer = await callApi(env, "creating the customer", (client) =>
        client.customers.create({
          name,
          ...(email && { email }),
          ...(stripeCustomerId && { stripeCustomerId }),
        }),
      );
      print(options, customer, (made) =>
        fields([
          ["id", made.id],
          ["name", made.name],
          ["email", made.email],
          ["stripe", made.stripeCustomerId],
          ["created", shownTime(made.createdAt)],
        ]),
      );
    });

  return new Command("customers").description("who pays for agents").addCommand(list).addCommand(create);
}

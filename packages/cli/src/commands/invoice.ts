import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { keyValue } from "../parse.ts";
import { PERIOD_NAMES, periodIdOf } from "../read-period.ts";
import { invoiceView, shownMoney } from "../show/invoice.ts";
import { shownStatus } from "../show/status.ts";
import { shownTime } from "../show/time.ts";
import { type ConfirmOptions, confirm, yesOption } from "../terminal/confirm.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { table } from "../terminal/table.ts";

interface CreateOptions extends OutputOptions {
  readonly customer?: string;
  readonly metadata?: Record<string, string>;
}

interface InvoiceListOptions extends ListOptions {
  readonly period?: string;
  readonly customer?: string;
}

/** `licentric invoice`: what periods cost. */
export function invoiceCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("invoice")
    .description("what closed periods cost")
    .addCommand(createCommand(env))
    .addCommand(showCommand(env))
    .addCommand(listCommand(env))
    .addCommand(voidCommand(env));
}

function createCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("create")
    .description("make a closed period's invoice; again goes on where it stopped, and nobody is billed twice")
    .argument("<period>", PERIOD_NAMES)
    .option("--customer <id>", "invoice this customer's agents; the account as a whole by default")
    .addOption(
      new Option("--metadata <key=value>", "kept with the invoice; may be given again").argParser(keyValue),
    )
    .addOption(jsonOption())
    .action(async (period: string, options: CreateOptions) => {
      const { customer: customerId, metadata } = options;
      const invoice = await callApi(env, "making the invoice", async (client) =>
        client.billing.createInvoice(await periodIdOf(client, period), {
          ...(customerId && { customerId }),
          ...(metadata && { metadata }),
        }),
      );
      print(options, invoice, invoiceView);
    });
}

function showCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("show")
    .description("show an invoice with its lines")
    .argument("<invoice>", "its id")
    .addOption(jsonOption())
    .action(async (id: string, options: OutputOptions) => {
      const invoice = await callApi(env, "reading the invoice", (client) => client.billing.getInvoice(id));
      print(options, invoice, invoiceView);
    });
}

function listCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("list")
    .description("list invoices, newest first")
    .option("--period <id>", "only this period's; `previous` and `current` go, too")
    .option("--customer <id>", "only this customer's");
  return withListOptions(command).action(async (options: InvoiceListOptions) => {
    const { period, customer: customerId } = options;
    const invoices = await callApi(env, "listing invoices", async (client, report) => {
      const periodId = period && (await periodIdOf(client, period));
      const narrowed = { ...(periodId && { periodId }), ...(customerId && { customerId }) };
      return readList(options, report, (page) => client.billing.listInvoices({ ...narrowed, ...page }));
    });
    print(
      options,
      invoices,
      listView("No invoices. `licentric invoice create <period>` makes one.", (items) =>
        table(
          ["ID", "STATUS", "TOTAL", "PERIOD", "CUSTOMER", "CREATED"],
          items.map((each) => [
            each.id,
            shownStatus(each.status),
            shownMoney(each.total, each.currency),
            each.periodId,
            each.customerId,
            shownTime(each.createdAt),
          ]),
        ),
      ),
    );
  });
}

function voidCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("void")
    .description("void an invoice that is not paid; its usage can then be invoiced again")
    .argument("<invoice>", "its id")
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (id: string, options: OutputOptions & ConfirmOptions) => {
      const { total, currency } = await callApi(env, "reading the invoice", (client) =>
        client.billing.getInvoice(id),
      );
      await confirm(
        `Void the invoice ${id} of ${shownMoney(total, currency) ?? "an unknown total"}?`,
        options,
      );
      const voided = await callApi(env, "voiding the invoice", (client) => client.billing.voidInvoice(id));
      print(options, voided, invoiceView);
    });
}

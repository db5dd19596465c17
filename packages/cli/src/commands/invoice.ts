import type { Invoice, InvoicesCreateParams, Licentric } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { EXIT, usageError } from "../exit-codes.ts";
import { customerIdOf } from "../ids.ts";
import { type ListOptions, listRows, listView, readList, withListOptions } from "../list.ts";
import { keyValue, wholeNumber } from "../parse.ts";
import { PERIOD_NAMES, periodIdOf } from "../read-period.ts";
import { checkView, invoicesView, pendingTable } from "../show/books.ts";
import { invoiceView, shownMoney } from "../show/invoice.ts";
import { invoiceLinesCsv, invoicesCsv } from "../show/invoice-csv.ts";
import { shownStatus } from "../show/status.ts";
import { shownTime } from "../show/time.ts";
import { type ConfirmOptions, confirm, yesOption } from "../terminal/confirm.ts";
import {
  csvOption,
  jsonOption,
  type OutputOptions,
  print,
  printRows,
  type RowsOutputOptions,
} from "../terminal/print.ts";
import { table } from "../terminal/table.ts";
import { creditCommand, creditsCommand } from "./credit-notes.ts";
import { issueCommand, linkCommand, payCommand } from "./invoice-document.ts";
import { previewCommand } from "./invoice-preview.ts";

interface CreateOptions extends OutputOptions {
  readonly customer?: string;
  readonly own?: true;
  readonly metadata?: Record<string, string>;
  readonly collection?: "send_invoice" | "charge_automatically";
  readonly daysUntilDue?: number;
  readonly automaticTax?: true;
  readonly memo?: string;
}

interface PendingOptions extends ListOptions {
  readonly period?: string;
}

interface InvoiceListOptions extends PendingOptions, RowsOutputOptions {
  readonly customer?: string;
}

/** `licentric invoice`: what periods cost. */
export function invoiceCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("invoice")
    .addCommand(previewCommand(env))
    .addCommand(createCommand(env))
    .addCommand(pendingCommand(env))
    .addCommand(checkCommand(env))
    .addCommand(showCommand(env))
    .addCommand(listCommand(env))
    .addCommand(issueCommand(env))
    .addCommand(linkCommand(env))
    .addCommand(payCommand(env))
    .addCommand(voidCommand(env))
    .addCommand(creditCommand(env))
    .addCommand(creditsCommand(env));
}

function createCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("create")
    .description(
      "make a closed period's invoices, those of all payers; again goes on where it stopped, and nobody is billed twice",
    )
    .argument("<period>", PERIOD_NAMES)
    .option("--customer <name or id>", "this customer's alone")
    .option("--own", "the account's own alone: that of agents of no customer")
    .addOption(
      new Option("--metadata <key=value>", "kept with the invoice; may be given again").argParser(keyValue),
    )
    .addOption(
      new Option("--collection <how>", "send_invoice by default: Stripe asks for payment").choices([
        "send_invoice",
        "charge_automatically",
      ]),
    )
    .addOption(
      new Option("--days-until-due <days>", "30 by default; of send_invoice alone").argParser(
        wholeNumber(1, 365),
      ),
    )
    .option("--automatic-tax", "let Stripe Tax add tax; payers need an address with a country")
    .option("--memo <text>", "stands on Stripe's invoice")
    .addOption(jsonOption())
    .action(async (period: string, options: CreateOptions) => {
      const { customer, own, metadata, collection, daysUntilDue, automaticTax, memo } = options;
      if (own && customer) throw usageError("Give --own or --customer, not both.");
      const kept = {
        ...(metadata && { metadata }),
        ...(collection && { collection }),
        ...(daysUntilDue && { daysUntilDue }),
        ...(automaticTax && { automaticTax }),
        ...(memo && { memo }),
      };
      if (!own && !customer) return createAll(env, period, options, kept);
      const invoice = await callApi(env, "making the invoice", async (client) => {
        const customerId = customer && (await customerIdOf(client, customer));
        return client.billing.createInvoice(await periodIdOf(client, period), {
          ...(customerId && { customerId }),
          ...kept,
        });
      });
      print(options, invoice, (shown) => invoiceView(shown));
    });
}

async function createAll(
  env: NodeJS.ProcessEnv,
  period: string,
  options: OutputOptions,
  params: InvoicesCreateParams,
): Promise<void> {
  const made = await callApi(env, "making the invoices", async (client) =>
    client.billing.createInvoices(await periodIdOf(client, period), params),
  );
  print(options, made, invoicesView);
  if (made.failed.length > 0) process.exitCode = EXIT.error;
}

/** `licentric invoice pending`: the usage that no invoice holds yet. */
function pendingCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("pending")
    .description("list what no invoice holds yet, of periods that are over")
    .option("--period <id>", "only this period's: its id, its month as 2026-11, or `previous`");
  return withListOptions(command, "oldest period first").action(async (options: PendingOptions) => {
    const { period } = options;
    const pending = await callApi(env, "reading what is not invoiced", async (client, report) => {
      const periodId = period && (await periodIdOf(client, period));
      const narrowed = periodId ? { periodId } : {};
      return readList(options, report, (page) => client.billing.listUninvoiced({ ...narrowed, ...page }));
    });
    print(options, pending, listView("Nothing: every period that is over is invoiced.", pendingTable));
  });
}

/** `licentric invoice check`: the check of a period's books. */
function checkCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("check")
    .description(
      "compare a period's events, totals, invoices and what is in Stripe; ends with 1 where they differ",
    )
    .argument("<period>", PERIOD_NAMES)
    .addOption(jsonOption())
    .action(async (period: string, options: OutputOptions) => {
      const checked = await callApi(env, "checking the period's books", async (client) =>
        client.billing.checkPeriod(await periodIdOf(client, period)),
      );
      print(options, checked, checkView);
      if (checked.differences.length > 0) process.exitCode = EXIT.error;
    });
}

function showCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("show")
    .description("show an invoice with its lines")
    .argument("<invoice>", "its id")
    .addOption(csvOption())
    .addOption(jsonOption())
    .action(async (id: string, options: RowsOutputOptions) => {
      const { invoice, payer } = await callApi(env, "reading the invoice", async (client) => {
        const invoice = await client.billing.getInvoice(id);
        return { invoice, payer: options.json || options.csv ? undefined : await payerName(client, invoice) };
      });
      printRows(options, invoice, {
        view: (shown) => invoiceView(shown, payer),
        rows: invoiceLinesCsv,
      });
    });
}

/** The name of whoever pays an invoice; undefined where the key may not read it. */
async function payerName(client: Licentric, { customerId }: Invoice): Promise<string | undefined> {
  const { PermissionDeniedError } = await import("@licentric/sdk");
  try {
    const payer = await (customerId ? client.customers.get(customerId) : client.account.get());
    return payer.name;
  } catch (error) {
    if (error instanceof PermissionDeniedError && error.answeredByApi) return undefined;
    throw error;
  }
}

function listCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("list")
    .description("list invoices, newest first")
    .option("--period <id>", "only this period's; its month as 2026-11, `previous` and `current` go, too")
    .option("--customer <name or id>", "only this customer's")
    .addOption(csvOption());
  return withListOptions(command).action(async (options: InvoiceListOptions) => {
    const { period, customer } = options;
    const invoices = await callApi(env, "listing invoices", async (client, report) => {
      const periodId = period && (await periodIdOf(client, period));
      const customerId = customer && (await customerIdOf(client, customer));
      const narrowed = { ...(periodId && { periodId }), ...(customerId && { customerId }) };
      return readList(options, report, (page) => client.billing.listInvoices({ ...narrowed, ...page }));
    });
    printRows(options, invoices, {
      view: listView("No invoices. `licentric invoice create <period>` makes one.", invoiceTable),
      rows: listRows(invoicesCsv),
    });
  });
}

function invoiceTable(invoices: readonly Invoice[]): string {
  return table(
    ["ID", "STATUS", "TOTAL", "PERIOD", "CUSTOMER", "CREATED"],
    invoices.map((each) => [
      each.id,
      shownStatus(each.status),
      shownMoney(each.total, each.currency),
      each.periodId,
      each.customerId,
      shownTime(each.createdAt),
    ]),
  );
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
      print(options, voided, (shown) => invoiceView(shown));
    });
}

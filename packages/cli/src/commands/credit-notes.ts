import type { CreditNote, CreditNoteCreateParams } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { shownMoney } from "../show/invoice.ts";
import { shownStatus } from "../show/status.ts";
import { shownTime } from "../show/time.ts";
import { type ConfirmOptions, confirm, yesOption } from "../terminal/confirm.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { fields, table } from "../terminal/table.ts";

interface CreditOptions extends OutputOptions, ConfirmOptions {
  readonly amount: string;
  readonly reason?: NonNullable<CreditNoteCreateParams["reason"]>;
  readonly settlement?: NonNullable<CreditNoteCreateParams["settlement"]>;
  readonly memo?: string;
}

/** `licentric invoice credit`: takes an amount off an invoice. */
export function creditCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("credit")
    .description("take an amount off an invoice by a credit note, at most what is left of its total")
    .argument("<invoice>", "its id")
    .requiredOption("--amount <decimal>", "for example 12.50, in the invoice's currency")
    .addOption(
      new Option("--reason <reason>", "as Stripe has it").choices([
        "duplicate",
        "fraudulent",
        "order_change",
        "product_unsatisfactory",
      ]),
    )
    .addOption(
      new Option("--settlement <how>", "of a paid invoice; customer_balance by default").choices([
        "customer_balance",
        "refund",
        "out_of_band",
      ]),
    )
    .option("--memo <text>", "stands on the credit note")
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (invoiceId: string, options: CreditOptions) => {
      const { amount, reason, settlement, memo } = options;
      const { total, currency } = await callApi(env, "reading the invoice", (client) =>
        client.billing.getInvoice(invoiceId),
      );
      await confirm(
        `Take ${shownMoney(amount, currency)} off the invoice ${invoiceId} of ${shownMoney(total, currency) ?? "an unknown total"}?`,
        options,
      );
      const note = await callApi(env, "making the credit note", (client) =>
        client.billing.createCreditNote(invoiceId, {
          amount,
          ...(reason && { reason }),
          ...(settlement && { settlement }),
          ...(memo && { memo }),
        }),
      );
      print(options, note, creditNoteView);
    });
}

/** `licentric invoice credits`: an invoice's credit notes. */
export function creditsCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("credits")
    .description("list an invoice's credit notes, newest first")
    .argument("<invoice>", "its id");
  return withListOptions(command).action(async (invoiceId: string, options: ListOptions) => {
    const notes = await callApi(env, "listing credit notes", (client, report) =>
      readList(options, report, (page) => client.billing.listCreditNotes(invoiceId, page)),
    );
    print(
      options,
      notes,
      listView("No credit notes.", (items) =>
        table(
          ["ID", "STATUS", "AMOUNT", "REASON", "SETTLEMENT", "MEMO", "CREATED"],
          items.map((each) => [
            each.id,
            shownStatus(each.status),
            shownMoney(each.amount, each.currency),
            each.reason,
            each.settlement,
            each.memo,
            shownTime(each.createdAt),
          ]),
        ),
      ),
    );
  });
}

function creditNoteView(note: CreditNote): string {
  return fields([
    ["id", note.id],
    ["invoice", note.invoiceId],
    ["status", shownStatus(note.status)],
    ["amount", shownMoney(note.amount, note.currency)],
    ["reason", note.reason ?? undefined],
    ["settlement", note.settlement ?? undefined],
    ["memo", note.memo ?? undefined],
    ["created", shownTime(note.createdAt)],
  ]);
}

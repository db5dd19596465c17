import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { duration, moment, wholeNumber } from "../parse.ts";
import { invoiceView, shownMoney } from "../show/invoice.ts";
import { shownTime } from "../show/time.ts";
import { type ConfirmOptions, confirm, yesOption } from "../terminal/confirm.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { fields } from "../terminal/table.ts";

interface IssueOptions extends OutputOptions, ConfirmOptions {
  readonly daysUntilDue?: number;
}

interface PayOptions extends OutputOptions, ConfirmOptions {
  readonly reference: string;
  readonly at?: string;
}

interface LinkOptions extends OutputOptions {
  readonly expiresIn?: number;
}

/** `licentric invoice issue`: makes an invoice without Stripe an open one, with a number. */
export function issueCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("issue")
    .description(
      "issue an invoice that is not in Stripe: it gets its number, and is open until it is paid or void",
    )
    .argument("<invoice>", "its id")
    .addOption(new Option("--days-until-due <n>", "30 unless said otherwise").argParser(wholeNumber(1, 365)))
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (id: string, options: IssueOptions) => {
      const { daysUntilDue } = options;
      await confirm(`Issue ${await named(env, id)}? Its number stays, whatever becomes of it.`, options);
      const issued = await callApi(env, "issuing the invoice", (client) =>
        client.billing.issueInvoice(id, { ...(daysUntilDue && { daysUntilDue }) }),
      );
      print(options, issued, (shown) => `${invoiceView(shown)}\nNext: licentric invoice link ${id}\n`);
    });
}

/** `licentric invoice pay`: records a payment that did not go by Stripe. */
export function payCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("pay")
    .description("record that an invoice that was issued here is paid: by a transfer, for example")
    .argument("<invoice>", "its id")
    .requiredOption("--reference <text>", "what the payment is found by")
    .addOption(new Option("--at <time>", "when it was paid; now by default").argParser(moment))
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (id: string, options: PayOptions) => {
      const { reference, at } = options;
      await confirm(`Record ${await named(env, id)} as paid by "${reference}"? That is final.`, options);
      const paid = await callApi(env, "recording the payment", (client) =>
        client.billing.payInvoice(id, { reference, ...(at && { paidAt: at }) }),
      );
      print(options, paid, (shown) => invoiceView(shown));
    });
}

/** `licentric invoice link`: a link to an invoice's document for its payer. */
export function linkCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("link")
    .description("make a link that opens the document of an invoice issued here, without a key")
    .argument("<invoice>", "its id")
    .addOption(
      new Option("--expires-in <time>", "30d unless said otherwise; 366d at most").argParser(duration),
    )
    .addOption(jsonOption())
    .action(async (id: string, options: LinkOptions) => {
      const { expiresIn } = options;
      const link = await callApi(env, "making the link", async (client) => {
        const { path, expiresAt } = await client.billing.createInvoiceLink(id, {
          ...(expiresIn && { expiresIn }),
        });
        return { url: `${client.baseUrl}${path}`, path, expiresAt };
      });
      print(options, link, ({ url, expiresAt }) =>
        fields([
          ["url", url],
          ["opens until", shownTime(expiresAt)],
        ]),
      );
    });
}

/** The invoice of a question, with its total. */
async function named(env: NodeJS.ProcessEnv, id: string): Promise<string> {
  const { number, total, currency } = await callApi(env, "reading the invoice", (client) =>
    client.billing.getInvoice(id),
  );
  return `the invoice ${number ?? id} of ${shownMoney(total, currency) ?? "an unknown total"}`;
}

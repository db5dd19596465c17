import type { InvoicesCreated, PeriodChecked, UninvoicedUsage } from "@licentric/sdk";
import { visible } from "../terminal/style.ts";
import { table } from "../terminal/table.ts";
import { invoiceView, shownMoney } from "./invoice.ts";
import { shownStatus } from "./status.ts";
import { shownTime } from "./time.ts";

/** Every payer's invoice of a period, and whose could not be made, for people. */
export function invoicesView({ invoiced, failed }: InvoicesCreated): string {
  if (invoiced.length + failed.length === 0) return "No usage in this period: nobody has anything to pay.\n";
  const [only] = invoiced;
  if (only !== undefined && invoiced.length + failed.length === 1) return invoiceView(only.invoice);
  const made = table(
    ["PAYER", "TOTAL", "STATUS", "INVOICE", "TO PAY AT"],
    invoiced.map(({ name, invoice }) => [
      name,
      shownMoney(invoice.total, invoice.currency),
      shownStatus(invoice.status),
      invoice.id,
      invoice.stripeConfigured ? invoice.hostedInvoiceUrl : null,
    ]),
  );
  const computed = invoiced.some(({ invoice }) => !invoice.stripeConfigured)
    ? "\nStripe is not connected: this is what the period costs, and nothing was sent.\n"
    : "";
  const notices = invoiced.flatMap(({ name, invoice }) =>
    invoice.notice === undefined ? [] : [`\n${visible(name)}: ${visible(invoice.notice)}\n`],
  );
  const refused = failed.map(({ name, error }) => `\nNot invoiced, ${visible(name)}: ${visible(error)}\n`);
  const again =
    failed.length > 0 ? "\nPut it right and run the same command again: it goes on from here.\n" : "";
  return `${invoiced.length > 0 ? made : ""}${computed}${notices.join("")}${refused.join("")}${again}`;
}

/** A table of the usage that no invoice holds yet, for people. */
export function pendingTable(pending: readonly UninvoicedUsage[]): string {
  return table(
    ["PERIOD", "STARTS", "PERIOD IS", "PAYER", "TOTAL", "INVOICE"],
    pending.map((each) => [
      each.periodId,
      shownTime(each.startsAt),
      each.periodStatus,
      each.name,
      shownMoney(each.total, each.currency),
      each.invoiceId === null ? null : `${each.invoiceId} (not sent)`,
    ]),
  );
}

/** The differences in a period's books, or a sentence that there are none, for people. */
export function checkView({ differences, invoices, archivedEvents }: PeriodChecked): string {
  if (differences.length === 0) {
    const archived =
      archivedEvents === 0
        ? ""
        : `${archivedEvents.toLocaleString("en-US")} of the events are archived: of these the sums are compared that were kept.\n`;
    return `Events, totals, lines and what was sent say the same, in ${invoices} ${invoices === 1 ? "invoice" : "invoices"}.\n${archived}`;
  }
  return table(
    ["WHERE", "PAYER", "INVOICE", "METER", "WHAT", "MUST BE", "IS"],
    differences.map((each) => [
      each.kind,
      each.customerId ?? "the account",
      each.invoiceId,
      each.meterName,
      each.what,
      each.expected,
      each.found,
    ]),
  );
}

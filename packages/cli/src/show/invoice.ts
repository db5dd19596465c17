import type { Invoice } from "@licentric/sdk";
import { fields, table } from "../terminal/table.ts";
import { shownUnitPrice } from "./price.ts";
import { shownDetails, shownQuantity } from "./quantity.ts";
import { shownStatus } from "./status.ts";
import { shownTime } from "./time.ts";

/** An amount with its currency, as far as both are known. */
export function shownMoney(amount: string | undefined, currency: string | undefined): string | undefined {
  return amount === undefined || currency === undefined ? amount : `${amount} ${currency.toUpperCase()}`;
}

/**
 * An invoice with its lines, for people.
 *
 * @param payer - the name of whoever pays it, where that is known
 */
export function invoiceView(invoice: Invoice, payer?: string): string {
  const { currency, lines = [], stripeConfigured } = invoice;
  const known = fields([
    ["id", invoice.id],
    ["number", invoice.number ?? undefined],
    ["period", invoice.periodId],
    ["payer", payer],
    ["customer", invoice.customerId ?? undefined],
    ["status", shownStatus(invoice.status)],
    ["total", shownMoney(invoice.total, currency)],
    ["credited", isNothing(invoice.credited) ? undefined : shownMoney(invoice.credited, currency)],
    ["memo", invoice.memo ?? undefined],
    ["notice", invoice.notice],
    ["created", shownTime(invoice.createdAt)],
    ["issued", shownTime(invoice.issuedAt ?? undefined)],
    ["due", shownTime(invoice.dueAt ?? undefined)],
    ["paid", shownTime(invoice.paidAt ?? undefined)],
    ["paid by", invoice.paymentReference ?? undefined],
    ["to pay at", stripeConfigured ? invoice.hostedInvoiceUrl : undefined],
  ]);
  const isDetailed = lines.some((line) => shownDetails(line) !== undefined);
  const charged = lines.map((line) => [
    line.description,
    shownQuantity(line),
    shownUnitPrice(line),
    line.amount,
    ...(isDetailed ? [shownDetails(line)] : []),
  ]);
  const headings = ["LINE", "QUANTITY", "UNIT PRICE", "AMOUNT", ...(isDetailed ? ["MADE OF"] : [])];
  const { uninvoiced } = invoice;
  const rest =
    uninvoiced === undefined
      ? ""
      : `\nNot the whole period: ${shownMoney(uninvoiced.total ?? "the usage", uninvoiced.currency)} of ${uninvoiced.payers} other ${uninvoiced.payers === 1 ? "payer is" : "payers are"} not invoiced yet.\nNext: licentric invoice create ${invoice.periodId}\n`;
  const computed =
    stripeConfigured || invoice.number
      ? ""
      : "\nStripe is not connected: this is what the payer owes, and nothing was sent.\n";
  charged.push(
    ...termLines(invoice).map(({ description, amount }) => [
      description,
      "",
      "",
      amount,
      ...(isDetailed ? [""] : []),
    ]),
  );
  const body = charged.length > 0 ? `\n${table(headings, charged)}` : "";
  return `${known}${body}${hostedTotals(invoice)}${computed}${rest}`;
}

/** The discount and the minimum of an invoice or of its preview as lines: what is taken off is negative. */
export function termLines({ discount, minimum }: Pick<Invoice, "discount" | "minimum">) {
  return [
    ...(discount === undefined ? [] : [{ description: discount.description, amount: `-${discount.amount}` }]),
    ...(minimum === undefined ? [] : [minimum]),
  ];
}

const isNothing = (amount: string | undefined) => amount === undefined || Number(amount) === 0;

/**
 * The totals alone, which the hosted service answers where it has no Stripe, in a form that it does not
 * document.
 */
function hostedTotals(invoice: Invoice): string {
  if (invoice.stripeConfigured || invoice.lines !== undefined) return "";
  return `\n${JSON.stringify(invoice.totalUsage, null, 2)}\n`;
}

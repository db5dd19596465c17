import { createHash } from "node:crypto";
import type { CreditNote, Invoice } from "@licentric/contract";
import Big from "big.js";
import { shownDetails, shownQuantity } from "./invoice-lines.ts";
import type { InvoiceParty } from "./invoices.ts";

/** Content of the page. */
export interface InvoicePage {
  readonly invoice: Invoice;
  /** The period's first and last day, `YYYY-MM-DD`. */
  readonly days: { readonly first: string; readonly last: string };
  readonly creditNotes: readonly CreditNote[];
  /** The account whose tools were used. */
  readonly seller: InvoiceParty;
  /** The payer. */
  readonly buyer: InvoiceParty;
  /** The account's words on how it is paid; null where there are none. */
  readonly paymentInstructions: string | null;
  /** IANA name; the days of the period are days in it. */
  readonly timeZone: string;
}

const STYLE = `
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f4f2; color: #1b1b1a; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; }
main { max-width: 46rem; margin: 2rem auto; padding: 3rem; background: #fff; box-shadow: 0 1px 3px rgb(0 0 0 / .12); }
header { display: flex; justify-content: space-between; gap: 2rem; align-items: baseline; border-bottom: 2px solid #1b1b1a; padding-bottom: 1rem; }
h1 { margin: 0; font-size: 1.75rem; letter-spacing: -.01em; }
.status { text-transform: uppercase; letter-spacing: .08em; font-size: .8rem; font-weight: 600; border: 1px solid currentcolor; border-radius: .25rem; padding: .1rem .5rem; white-space: nowrap; }
.void { color: #a3262a; } .paid { color: #1d6b3a; }
dl { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem 2rem; margin: 1.5rem 0 2rem; }
dt { color: #6a6a66; font-size: .8rem; } dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; font-size: .8rem; font-weight: 600; color: #6a6a66; border-bottom: 1px solid #1b1b1a; padding: .4rem .5rem; }
td { padding: .5rem; border-bottom: 1px solid #e2e2de; vertical-align: top; overflow-wrap: anywhere; }
td small { display: block; color: #6a6a66; }
th:first-child, td:first-child { padding-left: 0; } th:last-child, td:last-child { padding-right: 0; }
.number { text-align: right; white-space: nowrap; }
tfoot td { border-bottom: 0; }
tfoot tr:last-child td { border-top: 2px solid #1b1b1a; font-weight: 700; font-size: 1.1rem; }
.name { font-weight: 400; white-space: nowrap; }
section { margin-top: 2rem; } h2 { margin: 0 0 .25rem; font-size: 1rem; }
section p { margin: 0 0 .5rem; white-space: pre-line; overflow-wrap: anywhere; }
.empty { color: #6a6a66; }
footer { margin-top: 2.5rem; color: #6a6a66; font-size: .8rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  main { margin: 0; padding: 1.25rem; } dl { grid-template-columns: 1fr; }
  table { font-size: .8rem; } th { font-size: .7rem; } th, td { padding: .4rem .2rem; }
  tfoot tr:last-child td { font-size: .95rem; }
}
@page { size: auto; margin: 18mm; }
@media print {
  body { background: none; font-size: 10.5pt; }
  main { margin: 0; padding: 0; max-width: none; box-shadow: none; }
  thead { display: table-header-group; } tfoot { display: table-row-group; }
  tr, section, footer { break-inside: avoid; }
}
`;

/** Allows the page's own style and nothing else: no script, no other resource, no frame around it. */
export const INVOICE_PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADLINE: Readonly<Record<Invoice["status"], string>> = {
  computed: "Computed",
  draft: "Draft",
  open: "Open",
  paid: "Paid",
  payment_failed: "Payment failed",
  void: "Void",
  uncollectible: "Uncollectible",
};

/** The invoice as a page to print. Every text in it is escaped. */
export function renderInvoicePage(page: InvoicePage): string {
  const { invoice, days, creditNotes, seller, buyer, paymentInstructions, timeZone } = page;
  const name = invoice.number ?? invoice.id;
  const currency = invoice.currency.toUpperCase();
  const issued = creditNotes.filter(({ status }) => status !== "refused");
  const due = issued.reduce((rest, { amount }) => rest.minus(amount), new Big(invoice.total));
  const digits = invoice.total.split(".")[1]?.length ?? 0;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Invoice ${escapeText(name)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header><h1>Invoice${invoice.number == null ? "" : ` <span class="name">${escapeText(invoice.number)}</span>`}</h1><span class="status ${invoice.status}">${HEADLINE[invoice.status]}</span></header>
<dl>
<div><dt>From</dt><dd>${party(seller)}</dd></div>
<div><dt>To</dt><dd>${party(buyer)}</dd></div>
<div><dt>Period</dt><dd>${day(days.first, "UTC")} – ${day(days.last, "UTC")}</dd></div>
<div><dt>Date</dt><dd>${day(invoice.issuedAt ?? invoice.createdAt, timeZone)}</dd></div>
${invoice.dueAt == null ? "" : `<div><dt>Due</dt><dd>${day(invoice.dueAt, timeZone)}</dd></div>`}
${paidOn(invoice, timeZone)}
</dl>
<table>
<thead><tr><th scope="col">Description</th><th scope="col" class="number">Quantity</th><th scope="col" class="number">Unit price</th><th scope="col" class="number">Amount (${escapeText(currency)})</th></tr></thead>
<tbody>
${invoice.lines.map(line).join("\n") || '<tr><td colspan="4" class="empty">No usage in this period.</td></tr>'}
${termLines(invoice)}
</tbody>
<tfoot>
${issued.length === 0 ? "" : sum("Total", grouped(invoice.total))}
${issued.map((note) => sum(creditLabel(note, timeZone), `−${grouped(note.amount)}`)).join("\n")}
${sum(issued.length === 0 ? "Total" : "Total after credit", `${grouped(due.toFixed(digits))} ${escapeText(currency)}`)}
</tfoot>
</table>
${instructions(invoice, paymentInstructions)}
<footer>Invoice ${escapeText(invoice.id)}<br>Times are in ${escapeText(timeZone)}.</footer>
</main>
</body>
</html>
`;
}

/** A party's name and, where they are known, address, e-mail address and tax id. */
function party({ name, address, email, taxId }: InvoiceParty): string {
  const { line1, line2, postalCode, city, state, country } = address ?? {};
  const place = [postalCode, city].filter((part) => part !== undefined).join(" ");
  return [
    name,
    line1,
    line2,
    [place, state].filter(Boolean).join(", "),
    country && (COUNTRIES.of(country) ?? country),
    email,
    taxId && `Tax id ${taxId.value}`,
  ]
    .filter((text) => text != null && text !== "")
    .map((text) => escapeText(String(text)))
    .join("<br>");
}

const COUNTRIES = new Intl.DisplayNames("en", { type: "region" });

function paidOn({ status, paidAt, paymentReference }: Invoice, timeZone: string): string {
  if (status !== "paid" || paidAt == null) return "";
  const reference = paymentReference == null ? "" : `<br>${escapeText(paymentReference)}`;
  return `<div><dt>Paid</dt><dd>${day(paidAt, timeZone)}${reference}</dd></div>`;
}

/** The section on how to pay, while there is something to pay. */
function instructions({ status, number }: Invoice, text: string | null): string {
  if (text === null || status !== "open") return "";
  return `<section><h2>How to pay</h2><p>${escapeText(text)}</p><p>Please name the invoice's number, ${escapeText(number ?? "")}.</p></section>`;
}

function line(charged: Invoice["lines"][number]): string {
  const { description, meterName, unitPrice, amount } = charged;
  const meter = description === meterName ? "" : `<small>${escapeText(meterName)}</small>`;
  const details = shownDetails(charged);
  const made = details === "" ? "" : `<small>${escapeText(details)}</small>`;
  const price = unitPrice === null ? "by tier" : escapeText(unitPrice);
  return `<tr><td>${escapeText(description)}${meter}${made}</td><td class="number">${grouped(shownQuantity(charged))}</td><td class="number">${price}</td><td class="number">${grouped(amount)}</td></tr>`;
}

/** The discount and the minimum, as lines below those of meters. */
function termLines({ discount, minimum }: Invoice): string {
  const termLine = (description: string, amount: string) =>
    `<tr><td colspan="3">${escapeText(description)}</td><td class="number">${amount}</td></tr>`;
  return [
    ...(discount === undefined ? [] : [termLine(discount.description, `−${grouped(discount.amount)}`)]),
    ...(minimum === undefined ? [] : [termLine(minimum.description, grouped(minimum.amount))]),
  ].join("\n");
}

function sum(label: string, amount: string): string {
  return `<tr><td colspan="3">${label}</td><td class="number">${amount}</td></tr>`;
}

function creditLabel({ createdAt, memo }: CreditNote, timeZone: string): string {
  return `Credit note of ${day(createdAt, timeZone)}${memo === null ? "" : `<small>${escapeText(memo)}</small>`}`;
}

/** Thousands apart, by a space that does not break; the digits stay exactly as they are. */
function grouped(decimal: string): string {
  const [whole = "", fraction] = decimal.split(".");
  const spaced = whole.replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return fraction === undefined ? spaced : `${spaced}.${fraction}`;
}

function day(time: string | number, timeZone: string): string {
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone }).format(new Date(time));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

import type { Invoice } from "@licentric/sdk";
import { toCsv } from "../terminal/csv.ts";
import { termLines } from "./invoice.ts";
import { shownQuantity } from "./quantity.ts";

/** Invoices as CSV, one in a line. Columns are named as the API names them. */
export function invoicesCsv(invoices: readonly Invoice[]): string {
  return toCsv(
    ["id", "status", "currency", "total", "credited", "periodId", "customerId", "memo", "createdAt"],
    invoices.map(({ id, status, currency, total, credited, periodId, customerId, memo, createdAt }) => ({
      id,
      status,
      currency,
      total,
      credited,
      periodId,
      customerId,
      memo,
      createdAt,
    })),
  );
}

/** The lines of an invoice as CSV. */
export function invoiceLinesCsv({ id: invoiceId, currency, lines = [], ...terms }: Invoice): string {
  return toCsv(
    ["invoiceId", "meterName", "description", "quantity", "unitPrice", "amount", "currency"],
    [
      ...lines.map((line) => ({ ...line, invoiceId, currency, quantity: shownQuantity(line) })),
      ...termLines(terms).map(({ description, amount }) => ({ invoiceId, currency, description, amount })),
    ],
  );
}

import type { CostPreview, CostPreviewQuery } from "@licentric/contract";
import type { z } from "zod";
import { type Page, pageRequest, readPageBy } from "../http/page.ts";
import { type Database, type Queryable, uuidParam } from "../store/database.ts";
import { selectCharges, shownTerms } from "./charges.ts";
import { invoicesOfPeriod } from "./invoices.ts";
import { listPayers, type PayersQuery } from "./payers-of-period.ts";
import { type PreviewedPeriod, readPageOfPeriod } from "./preview-period.ts";

/**
 * Tells what a period costs each payer so far, customers first and the account itself last: the lines are made by what
 * makes those of invoices, as if the period were closed now. Of a payer who has an invoice already, they are the
 * invoice's own. Nothing is changed.
 */
export function previewCosts(
  db: Database,
  environmentId: string,
  { periodId, customerId, ...rest }: z.output<typeof CostPreviewQuery>,
  making: { readonly newId: () => string; readonly now: Date },
): Promise<Page<CostPreview>> {
  const page = pageRequest(rest);
  const of = { cursor: page.cursor, customerId: customerId === undefined ? null : uuidParam(customerId) };
  return readPageOfPeriod(db, environmentId, periodId, making, (tx, period) =>
    readPageBy(
      page,
      (limit) => selectCosts(tx, period, { ...of, limit }, making.now),
      // The account itself comes last, so whoever has somebody behind him is a customer.
      (last) => last.customerId ?? "",
    ),
  );
}

async function selectCosts(
  tx: Queryable,
  period: PreviewedPeriod,
  of: PayersQuery,
  now: Date,
): Promise<CostPreview[]> {
  const payers = await listPayers(tx, period.id, of);
  const ids = payers.map((payer) => payer.customer_id);
  const chargesOf = await selectCharges(tx, period, ids, now);
  const invoices = await invoicesOfPeriod(tx, period.id, ids);
  return payers.map(({ customer_id: customerId, name }) => {
    const invoice = invoices.find((each) => each.customer_id === customerId);
    const currency = invoice?.currency ?? period.currency;
    const charges = invoice ?? chargesOf(customerId);
    return {
      periodId: period.id,
      periodStatus: period.status,
      startsAt: period.starts_at.toISOString(),
      endsAt: period.ends_at.toISOString(),
      customerId,
      name,
      invoiceId: invoice?.id ?? null,
      currency,
      lines: charges.lines,
      ...shownTerms(charges, charges.lines, currency),
      total: charges.total,
    };
  });
}

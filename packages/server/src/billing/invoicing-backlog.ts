import type { Mode } from "@licentric/contract";
import { onlyRow, type Queryable } from "../store/database.ts";
import { payersOfPeriod } from "./period-quantities.ts";

/** Work on the months that are over that is not done yet, in all accounts of one mode. */
export interface ModeBacklog {
  readonly mode: Mode;
  /** Periods with usage that are over and open. */
  readonly toClose: number;
  /** Closed periods with usage that stands on no invoice, or on one that Stripe should have and has not. */
  readonly toInvoice: number;
  /** Time since the end of the oldest of them; 0 where there is none. */
  readonly oldestSeconds: number;
}

/** Work on the books that waits to be done. */
export interface InvoicingBacklog {
  readonly modes: readonly ModeBacklog[];
  readonly creditNotes: number;
}

/** Older months are not looked through: whoever has not invoiced for a year does so on purpose. */
const LOOKED_BACK = 400 * 86_400_000;

/** Reads what of the months that are over is not closed, not invoiced or not sent. Void invoices bill nothing. */
export async function readInvoicingBacklog(db: Queryable, now: Date): Promise<InvoicingBacklog> {
  const rows = await db.query<{ mode: Mode; to_close: number; to_invoice: number; oldest: Date | null }>(
    `SELECT m.mode, count(p.id) FILTER (WHERE p.status = 'open') AS to_close,
       count(p.id) FILTER (WHERE p.status = 'closed') AS to_invoice, min(p.ends_at) AS oldest
     FROM (VALUES ('test'), ('live')) AS m (mode)
     LEFT JOIN (
       SELECT p.id, p.status, p.ends_at, e.mode FROM periods p JOIN environments e ON e.id = p.environment_id
       WHERE p.ends_at > $2 AND (p.status = 'closed' OR p.ends_at <= $1) AND EXISTS (
         SELECT 1 FROM ${payersOfPeriod("p.id")} t WHERE NOT EXISTS (
           SELECT 1 FROM invoices i WHERE i.period_id = p.id AND i.customer_id IS NOT DISTINCT FROM t.customer_id
             AND i.status <> 'void' AND NOT (i.stripe_configured AND i.announced_at IS NULL)
         )
       )
     ) p ON p.mode = m.mode
     GROUP BY m.mode ORDER BY m.mode`,
    [now, new Date(now.getTime() - LOOKED_BACK)],
  );
  const { count } = onlyRow(
    await db.query<{ count: number }>("SELECT count(*) FROM credit_notes WHERE status = 'pending'"),
  );
  return {
    modes: rows.map(({ mode, to_close, to_invoice, oldest }) => ({
      mode,
      toClose: to_close,
      toInvoice: to_invoice,
      oldestSeconds: oldest === null ? 0 : Math.max(0, (now.getTime() - oldest.getTime()) / 1_000),
    })),
    creditNotes: count,
  };
}

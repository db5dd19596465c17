import { Gauge, type Registry } from "prom-client";
import { readInvoicingBacklog } from "../billing/invoicing-backlog.ts";
import type { Database } from "../store/database.ts";
import { readOutboxBacklog } from "../webhooks/outbox-backlog.ts";
import { within } from "../within.ts";

/** Milliseconds after which a scrape does without what the database says: Prometheus waits for 10 s by default. */
const LIMIT = 4_000;
/** Milliseconds for which the look through the months is good: it takes more than a count. */
const INVOICING_KEPT = 60_000;

/**
 * Makes gauges of what waits in the database to be done. While the database does not answer they have no value, and
 * `licentric_database_up` is 0: a scrape tells of an outage, and does not fail by it.
 *
 * @returns a function that reads them anew
 */
export function gaugeBacklog(registry: Registry, db: Database, now: () => Date): () => Promise<void> {
  const gauge = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  const deliveries = gauge(
    "licentric_webhook_outbox_backlog",
    "Webhook deliveries that are still to be made.",
  );
  const oldest = gauge(
    "licentric_webhook_outbox_oldest_seconds",
    "Age of the oldest webhook delivery that is still to be made; 0 where there is none.",
  );
  const failing = gauge(
    "licentric_webhooks_failing",
    "Webhooks at which nothing arrives now, those that were disabled for it among them.",
  );
  const ended = gauge(
    "licentric_periods_to_close",
    "Periods with usage that are over and not closed, by mode.",
    "mode",
  );
  const closed = gauge(
    "licentric_periods_to_invoice",
    "Closed periods with usage that is on no invoice, or on one that is not sent to Stripe, by mode.",
    "mode",
  );
  const oldestEnd = gauge(
    "licentric_oldest_uninvoiced_period_seconds",
    "Time since the end of the oldest period that is not closed or not invoiced, by mode; 0 where there is none.",
    "mode",
  );
  const creditNotes = gauge("licentric_credit_notes_pending", "Credit notes that Stripe does not have yet.");
  const readInvoicing = keptFor(INVOICING_KEPT, () => readInvoicingBacklog(db, now()));
  const up = gauge("licentric_database_up", "1 while the database answers, 0 while it does not.");
  return async () => {
    try {
      const [outbox, invoicing] = await inTime(Promise.all([readOutboxBacklog(db, now()), readInvoicing()]));
      deliveries.set(outbox.deliveries);
      oldest.set(outbox.oldestSeconds);
      failing.set(outbox.failing);
      creditNotes.set(invoicing.creditNotes);
      for (const { mode, toClose, toInvoice, oldestSeconds } of invoicing.modes) {
        ended.set({ mode }, toClose);
        closed.set({ mode }, toInvoice);
        oldestEnd.set({ mode }, oldestSeconds);
      }
      up.set(1);
    } catch {
      // The gauge is how it is told; what the database says is in the log of `readyz`.
      for (const each of [deliveries, oldest, failing, creditNotes]) each.set(Number.NaN);
      for (const each of [ended, closed, oldestEnd]) each.reset();
      up.set(0);
    }
  };
}

function inTime<Result>(work: Promise<Result>): Promise<Result> {
  return within(LIMIT, work, () => {
    throw new Error(`no answer within ${LIMIT / 1_000} s`);
  });
}

/** Asks again when the answer is older than so many milliseconds, and shares a question that is in flight. */
function keptFor<Result>(milliseconds: number, ask: () => Promise<Result>): () => Promise<Result> {
  let kept: { readonly answer: Promise<Result>; readonly until: number } | null = null;
  return () => {
    if (kept !== null && performance.now() < kept.until) return kept.answer;
    const answer = ask();
    kept = { answer, until: performance.now() + milliseconds };
    answer.catch(() => {
      kept = null;
    });
    return answer;
  };
}

import type { CreateInvoices, Invoice, InvoicingOutcome, InvoicingResult } from "@licentric/contract";
import type { z } from "zod";
import type { Environment } from "../accounts/accounts.ts";
import { InexactNumberError } from "../exact-integer.ts";
import { ApiError } from "../http/api-error.ts";
import type { Services } from "../services.ts";
import { isUuid, type Queryable } from "../store/database.ts";
import {
  announceInvoice,
  ensureInvoice,
  getInvoice,
  type InvoiceRow,
  invoicesOfPeriod,
  requireClosedPeriod,
  toInvoice,
} from "./invoices.ts";
import { listPayers } from "./payers-of-period.ts";
import { sendToStripe } from "./send-to-stripe.ts";
import type { StripeConnection } from "./stripe.ts";

/** Payers of one request: more would keep its caller waiting. */
const PAYERS_AT_ONCE = 25;
/** Milliseconds after which a request goes on with no other payer. */
const TIME_AT_ONCE = 10_000;
/** So many payers in a row whom Stripe does not answer are not a payer's fault. */
const OUTAGE = 3;

/**
 * Computes and stores the invoices of a closed period's next payers, customers first and the account's own last. One
 * payer's fault is among the outcomes, and holds up no other.
 *
 * @throws {ApiError} `NOT_FOUND`, `CONFLICT` while the period is open, or `VALIDATION_ERROR` where the cursor
 * is not valid.
 */
export async function ensureInvoices(
  tx: Queryable,
  environment: Environment,
  periodId: string,
  { cursor, ...details }: z.output<typeof CreateInvoices>,
  making: { newId: () => string; now: Date; stripeConnected: boolean },
): Promise<InvoicingResult> {
  if (cursor !== undefined && !isUuid(cursor)) {
    const message = "is not the nextCursor of an answer; leave it out to begin";
    throw new ApiError("VALIDATION_ERROR", `cursor: ${message}`, { issues: [{ path: "cursor", message }] });
  }
  const period = await requireClosedPeriod(tx, environment.id, periodId);
  const payers = await listPayers(tx, period.id, {
    cursor: cursor ?? null,
    limit: PAYERS_AT_ONCE + 1,
  });
  const outcomes: InvoicingOutcome[] = [];
  for (const { customer_id: customerId, name } of payers.slice(0, PAYERS_AT_ONCE)) {
    const of = { customerId, name };
    outcomes.push(
      await outcomeOf(of, async () => {
        const body = customerId === null ? details : { ...details, customerId };
        const invoice = await ensureInvoice(tx, environment, period.id, body, making);
        if (!making.stripeConnected) await announceInvoice(tx, invoice, making);
        return invoice;
      }),
    );
  }
  return {
    periodId: period.id,
    outcomes,
    nextCursor: payers.length > PAYERS_AT_ONCE ? (outcomes.at(-1)?.customerId ?? null) : null,
  };
}

/**
 * Brings the invoices to Stripe. After a while it leaves the rest to the next request, which `nextCursor` names.
 *
 * @throws {ApiError} `UPSTREAM_ERROR` where Stripe answers for no payer. What was done is kept.
 */
export async function sendInvoices(
  services: Pick<Services, "db" | "now" | "newId">,
  stripe: StripeConnection | null,
  environment: Environment,
  made: InvoicingResult,
): Promise<InvoicingResult> {
  const started = performance.now();
  const outcomes: InvoicingOutcome[] = [];
  let outages = 0;
  for (const outcome of made.outcomes) {
    const { customerId, name } = outcome;
    if (outcome.status === "failed") outcomes.push(outcome);
    else {
      const sent = await outcomeOf({ customerId, name }, async () => {
        const row = await presentInvoice(services.db, environment.id, outcome.invoice);
        return stripe === null ? row : sendToStripe(services, stripe, environment, row);
      });
      outcomes.push(sent);
      outages = sent.status === "failed" && sent.code === "UPSTREAM_ERROR" ? outages + 1 : 0;
      if (sent.status === "failed" && outages === OUTAGE) {
        throw new ApiError(
          "UPSTREAM_ERROR",
          `${sent.error} The same came of the payers before; nobody else was tried.`,
          sent.details,
        );
      }
    }
    if (performance.now() - started < TIME_AT_ONCE || outcomes.length === made.outcomes.length) continue;
    // The account's own comes last, so whoever stands before it is a customer.
    return { ...made, outcomes, nextCursor: customerId };
  }
  return { ...made, outcomes };
}

/**
 * The payer's invoice as it stands when a request is answered. The one that a repeated request had made may be void by
 * then, which bills nothing: what was made in its place counts, and nothing is made anew.
 *
 * @throws {ApiError} `CONFLICT` where it is void and there is no other.
 */
async function presentInvoice(
  db: Queryable,
  environmentId: string,
  { id, periodId, customerId }: Pick<Invoice, "id" | "periodId" | "customerId">,
): Promise<InvoiceRow> {
  const row = await getInvoice(db, environmentId, id);
  if (row.status !== "void") return row;
  const [other] = await invoicesOfPeriod(db, periodId, [customerId]);
  if (other !== undefined) return other;
  throw new ApiError(
    "CONFLICT",
    "The invoice that this request had made was voided since, so no invoice holds the payer's usage. Repeat the request with another Idempotency-Key, or without one, to make a new invoice.",
    { invoiceId: id },
  );
}

/** Returns the outcome for one payer; throws only errors that are not a payer's fault. */
async function outcomeOf(
  payer: Pick<InvoicingOutcome, "customerId" | "name">,
  invoice: () => Promise<Parameters<typeof toInvoice>[0]>,
): Promise<InvoicingOutcome> {
  try {
    return { ...payer, status: "invoiced", invoice: toInvoice(await invoice()) };
  } catch (error) {
    const fault = faultOf(error);
    if (fault === null) throw error;
    const { message, code, details } = fault;
    return { ...payer, status: "failed", error: message, code, ...(details && { details }) };
  }
}

function faultOf(error: unknown): ApiError | null {
  if (error instanceof ApiError) return error;
  if (!(error instanceof InexactNumberError)) return null;
  return new ApiError(
    "UNPROCESSABLE",
    `A sum or an amount of this payer passes ${Number.MAX_SAFE_INTEGER}, the most that JSON carries exactly. Correct the price, or the usage.`,
  );
}

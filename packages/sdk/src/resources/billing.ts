import { routes } from "@licentric/contract";
import type { Api, BodyOf, QueryOf } from "../api.ts";
import { APIPromise, type Parsed, parsedOf } from "../api-promise.ts";
import type { ResponseOf } from "../check-response.ts";
import type { RequestOptions } from "../options.ts";
import type { PagePromise } from "../page.ts";
import { type WaitForFlush, waitForFlush } from "../wait-for-flush.ts";
import type { Adjustment, Usage } from "./usage.ts";

/** A month of usage. The hosted service promises `id` alone; our server answers every member. */
export type BillingPeriod = ResponseOf<typeof routes.billing.getPeriod>;

/**
 * An invoice: the cost of a period. `stripeConfigured` tells the two forms apart: with Stripe an invoice with
 * a `hostedInvoiceUrl`, without it the computed totals. Properties that are optional here come from our
 * server only.
 */
export type Invoice = ResponseOf<typeof routes.billing.getInvoice>;

/** Filters, page size and cursor of {@link Billing.listPeriods}. */
export type PeriodListParams = QueryOf<typeof routes.billing.listPeriods>;

/** Parameters of {@link Billing.closePeriod} besides the period. */
export interface PeriodCloseParams {
  /**
   * Before closing, waits until all usage has arrived. The hosted service flushes about once a minute, and a
   * close right after usage may miss the last minute of it; our server has nothing to wait for and closes at
   * once. `true` for the defaults.
   */
  readonly waitForFlush?: boolean | WaitForFlush | undefined;
}

/** Parameters of {@link Billing.createInvoice} besides the period. */
export type InvoiceCreateParams = BodyOf<typeof routes.billing.createInvoice>;

/** Parameters of {@link Billing.createInvoices} besides the period: the terms of each invoice. */
export type InvoicesCreateParams = Omit<BodyOf<typeof routes.billing.createInvoices>, "cursor">;

type Outcome = ResponseOf<typeof routes.billing.createInvoices>["outcomes"][number];

/** A payer whose invoice could not be made, and why. */
export type InvoiceFailure = Extract<Outcome, { status: "failed" }>;

/** A payer whose invoice is made. */
export type InvoicedPayer = Extract<Outcome, { status: "invoiced" }>;

/** The result of {@link Billing.createInvoices}. */
export interface InvoicesCreated {
  readonly periodId: string;
  /** Customers first, the account itself last. */
  readonly invoiced: readonly InvoicedPayer[];
  /** Empty where every payer has his invoice. */
  readonly failed: readonly InvoiceFailure[];
}

/** Parameters of {@link Billing.issueInvoice} besides the invoice. */
export type InvoiceIssueParams = BodyOf<typeof routes.billing.issueInvoice>;

/** Parameters of {@link Billing.payInvoice} besides the invoice. */
export type InvoicePayParams = BodyOf<typeof routes.billing.payInvoice>;

/** Parameters of {@link Billing.createInvoiceLink} besides the invoice. */
export type InvoiceLinkParams = BodyOf<typeof routes.billing.createInvoiceLink>;

/** A link that opens an invoice's document without a key. */
export type InvoiceLink = ResponseOf<typeof routes.billing.createInvoiceLink>;

/** Usage of one payer, in a period that is over, that no invoice holds yet. */
export type UninvoicedUsage = ResponseOf<typeof routes.billing.listUninvoiced>;

/** Filters, page size and cursor of {@link Billing.listUninvoiced}. */
export type UninvoicedListParams = QueryOf<typeof routes.billing.listUninvoiced>;

/** The cost of a period for one payer, as it is now. */
export type CostPreview = ResponseOf<typeof routes.billing.preview>;

/** Filters, page size and cursor of {@link Billing.preview}. */
export type CostPreviewParams = QueryOf<typeof routes.billing.preview>;

/** The part of a payer's cost that one agent's usage of one meter is. */
export type AgentCost = ResponseOf<typeof routes.billing.previewAgents>;

/** Filters, page size and cursor of {@link Billing.previewAgents}. */
export type AgentCostParams = QueryOf<typeof routes.billing.previewAgents>;

/** Something in a period's books that is not as it must be. */
export type PeriodDifference = ResponseOf<typeof routes.billing.checkPeriod>["differences"][number];

/** The result of {@link Billing.checkPeriod}. */
export interface PeriodChecked {
  readonly periodId: string;
  /** Number of invoices that were checked. */
  readonly invoices: number;
  /** Number of its events that are archived: of these the sums that were kept are compared. */
  readonly archivedEvents: number;
  /** Empty where all is well. */
  readonly differences: readonly PeriodDifference[];
}

/** Parameters of {@link Billing.createAdjustment}. */
export type AdjustmentCreateParams = BodyOf<typeof routes.billing.createAdjustment>;

/** Filters, page size and cursor of {@link Billing.listAdjustments}. */
export type AdjustmentListParams = QueryOf<typeof routes.billing.listAdjustments>;

/** An amount taken back from an invoice. */
export type CreditNote = ResponseOf<typeof routes.billing.createCreditNote>;

/** Parameters of {@link Billing.createCreditNote} besides the invoice. */
export type CreditNoteCreateParams = BodyOf<typeof routes.billing.createCreditNote>;

/** Page size and cursor of {@link Billing.listCreditNotes}. */
export type CreditNoteListParams = QueryOf<typeof routes.billing.listCreditNotes>;

/** Filters, page size and cursor of {@link Billing.listInvoices}. */
export type InvoiceListParams = QueryOf<typeof routes.billing.listInvoices>;

/** Months of usage, and the invoices made of them. */
export class Billing {
  readonly #api: Api;
  readonly #usage: Usage;

  /** Made by the client. @internal */
  constructor(api: Api, usage: Usage) {
    this.#api = api;
    this.#usage = usage;
  }

  /**
   * Reads the period that takes usage now.
   *
   * @example
   * ```ts
   * const period = await client.billing.getCurrentPeriod();
   * ```
   */
  getCurrentPeriod(options?: RequestOptions): APIPromise<BillingPeriod> {
    return this.#api.call(routes.billing.getCurrentPeriod, {}, options);
  }

  /**
   * Reads a period; of an open one the totals are those of now.
   *
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * const { totals } = await client.billing.getPeriod("per_1");
   * ```
   */
  getPeriod(periodId: string, options?: RequestOptions): APIPromise<BillingPeriod> {
    return this.#api.call(routes.billing.getPeriod, { params: { periodId } }, options);
  }

  /**
   * Lists periods, newest first.
   *
   * @example
   * ```ts
   * for await (const period of client.billing.listPeriods({ status: "closed" })) show(period.id, period.totals);
   * ```
   */
  listPeriods(params: PeriodListParams = {}, options?: RequestOptions): PagePromise<BillingPeriod> {
    return this.#api.list(routes.billing.listPeriods, { query: params }, options);
  }

  /**
   * Closes a period: its totals per meter are fixed. Closing it again answers the same.
   *
   * @throws NotFoundError where there is none of this id
   * @throws TimeoutError with `waitForFlush` where the totals do not stand still in time; nothing is closed
   * @example
   * ```ts
   * const { id } = await client.billing.getCurrentPeriod();
   * const closed = await client.billing.closePeriod(id, {
   *   waitForFlush: { onProgress: ({ elapsed, quietFor }) => show(`${elapsed} ms, quiet for ${quietFor} ms`) },
   * });
   * ```
   */
  closePeriod(
    periodId: string,
    params: PeriodCloseParams = {},
    options: RequestOptions = {},
  ): APIPromise<BillingPeriod> {
    const close = () => this.#api.call(routes.billing.closePeriod, { params: { periodId } }, options);
    if (!params.waitForFlush) return close();
    const wait = params.waitForFlush === true ? {} : params.waitForFlush;
    return new APIPromise(this.#closeAfterFlush(periodId, wait, options, close));
  }

  async #closeAfterFlush(
    periodId: string,
    wait: WaitForFlush,
    options: RequestOptions,
    close: () => APIPromise<BillingPeriod>,
  ): Promise<Parsed<BillingPeriod>> {
    await waitForFlush(wait, options.signal, async () => {
      const { data: period, headers } = await this.getPeriod(periodId, options).withResponse();
      if (period.status === "closed" || headers.get("licentric-durable") === "true") return "flushed";
      return period.totals ?? (await this.#usage.totals({ periodId }, options));
    });
    return parsedOf(close());
  }

  /**
   * Makes one payer's invoice of a closed period: a customer's, or the account's own for agents of no customer.
   * `uninvoiced` says what of the period it does not cover; {@link Billing.createInvoices} makes the invoices of all
   * payers. Calling it again goes on where it stopped and answers the same invoice: nobody is billed twice.
   *
   * @throws ConflictError where the period is still open
   * @throws NotFoundError where there is no such period or customer
   * @throws ValidationError where the payer cannot be billed, or Stripe refuses it: the message says what to do
   * @example
   * ```ts
   * const invoice = await client.billing.createInvoice("per_1");
   * if (invoice.stripeConfigured) show(invoice.hostedInvoiceUrl);
   * else show(invoice.totalUsage);
   * ```
   */
  createInvoice(
    periodId: string,
    params: InvoiceCreateParams = {},
    options?: RequestOptions,
  ): APIPromise<Invoice> {
    return this.#api.call(routes.billing.createInvoice, { params: { periodId }, body: params }, options);
  }

  /**
   * Makes the invoices of all payers of a closed period. One payer's fault is in `failed` and holds up no other.
   * Calling it again goes on where it stopped and answers the same invoices: nobody is billed twice. Under the same
   * idempotency key nothing is made anew: a payer whose invoice was voided since is in `failed`.
   *
   * @throws ConflictError where the period is still open
   * @throws NotFoundError where there is no such period
   * @throws InternalServerError where Stripe answers for no payer; what was done is kept
   * @example
   * ```ts
   * const { invoiced, failed } = await client.billing.createInvoices("per_1");
   * for (const { name, invoice } of invoiced) show(name, invoice.total);
   * for (const { name, error } of failed) show(name, error);
   * ```
   */
  async createInvoices(
    periodId: string,
    params: InvoicesCreateParams = {},
    options: RequestOptions = {},
  ): Promise<InvoicesCreated> {
    const outcomes: Outcome[] = [];
    const { idempotencyKey, ...rest } = options;
    let cursor: string | null = null;
    do {
      const from: string | null = cursor;
      // A key names one request, and this may be several.
      const key = idempotencyKey && { idempotencyKey: from ? `${idempotencyKey}:${from}` : idempotencyKey };
      const page: ResponseOf<typeof routes.billing.createInvoices> = await this.#api.call(
        routes.billing.createInvoices,
        { params: { periodId }, body: { ...params, ...(from !== null && { cursor: from }) } },
        { ...rest, ...key },
      );
      outcomes.push(...page.outcomes);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return {
      periodId,
      invoiced: outcomes.filter((outcome) => outcome.status === "invoiced"),
      failed: outcomes.filter((outcome) => outcome.status === "failed"),
    };
  }

  /**
   * Lists what no invoice holds yet, of periods that are over: by period and payer, oldest first. A void invoice is
   * none.
   *
   * @example
   * ```ts
   * for await (const { name, total, currency } of client.billing.listUninvoiced()) show(name, total, currency);
   * ```
   */
  listUninvoiced(params: UninvoicedListParams = {}, options?: RequestOptions): PagePromise<UninvoicedUsage> {
    return this.#api.list(routes.billing.listUninvoiced, { query: params }, options);
  }

  /**
   * Tells what a period costs each payer so far, customers first and the account itself last: the lines and the total
   * that the invoice would have if the period were closed and invoiced now. It is of the period that takes usage now,
   * or of `periodId`; of a payer who has an invoice already, the lines are the invoice's. Nothing is changed. Of a period that does not exist, the list is empty.
   *
   * @example
   * ```ts
   * for await (const { name, total, currency } of client.billing.preview()) show(name, total, currency);
   * ```
   */
  preview(params: CostPreviewParams = {}, options?: RequestOptions): PagePromise<CostPreview> {
    return this.#api.list(routes.billing.preview, { query: params }, options);
  }

  /**
   * Tells what each agent's usage of each meter costs its payer in a period so far, by agent. `cost` is the agent's part
   * of the payer's line by its quantity, before the line is rounded: a text with at most 12 decimals.
   *
   * @example
   * ```ts
   * for await (const { agentName, meterName, cost } of client.billing.previewAgents()) show(agentName, meterName, cost);
   * ```
   */
  previewAgents(params: AgentCostParams = {}, options?: RequestOptions): PagePromise<AgentCost> {
    return this.#api.list(routes.billing.previewAgents, { query: params }, options);
  }

  /**
   * Proves a closed period's books: its events add up to its totals, these are what its invoices say, and that is what
   * Stripe has.
   *
   * @throws ConflictError where the period is still open
   * @throws NotFoundError where there is no such period
   * @example
   * ```ts
   * const { differences } = await client.billing.checkPeriod("per_1");
   * for (const { what, expected, found } of differences) show(what, expected, found);
   * ```
   */
  async checkPeriod(periodId: string, options?: RequestOptions): Promise<PeriodChecked> {
    const differences: PeriodDifference[] = [];
    let invoices = 0;
    let archivedEvents = 0;
    let cursor: string | null = null;
    do {
      const page: ResponseOf<typeof routes.billing.checkPeriod> = await this.#api.call(
        routes.billing.checkPeriod,
        { params: { periodId }, query: cursor === null ? {} : { cursor } },
        options,
      );
      differences.push(...page.differences);
      invoices += page.invoices;
      archivedEvents = page.archivedEvents ?? 0;
      cursor = page.nextCursor;
    } while (cursor !== null);
    return { periodId, invoices, archivedEvents, differences };
  }

  /**
   * Corrects an agent's usage of a meter, up or down. No event is changed: usage and adjustments are billed together,
   * never below zero, and what an adjustment takes away beyond the usage is carried over to the next period. It counts
   * in the period that takes usage now, or in `periodId` while that is open. Billed for it is whom the agent belongs to
   * now, or `customerId`: where the agent has moved, say whose usage it was.
   *
   * @throws ConflictError where `periodId` is closed
   * @throws NotFoundError where there is no such agent, customer or period
   * @throws ValidationError where there is no such meter
   * @example
   * ```ts
   * await client.billing.createAdjustment({
   *   agentId: "agt_1",
   *   meterName: "pages",
   *   quantity: -40,
   *   reason: "pages that came out blank",
   * });
   * ```
   */
  createAdjustment(params: AdjustmentCreateParams, options?: RequestOptions): APIPromise<Adjustment> {
    return this.#api.call(routes.billing.createAdjustment, { body: params }, options);
  }

  /**
   * Lists adjustments, newest first.
   *
   * @example
   * ```ts
   * for await (const adjustment of client.billing.listAdjustments({ agentId: "agt_1" })) {
   *   show(adjustment.meterName, adjustment.quantity, adjustment.reason);
   * }
   * ```
   */
  listAdjustments(params: AdjustmentListParams = {}, options?: RequestOptions): PagePromise<Adjustment> {
    return this.#api.list(routes.billing.listAdjustments, { query: params }, options);
  }

  /**
   * Reads an invoice.
   *
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * const { status, total } = await client.billing.getInvoice("inv_1");
   * ```
   */
  getInvoice(invoiceId: string, options?: RequestOptions): APIPromise<Invoice> {
    return this.#api.call(routes.billing.getInvoice, { params: { invoiceId } }, options);
  }

  /**
   * Lists invoices, newest first.
   *
   * @example
   * ```ts
   * for await (const invoice of client.billing.listInvoices({ periodId: "per_1" })) show(invoice.id, invoice.total);
   * ```
   */
  listInvoices(params: InvoiceListParams = {}, options?: RequestOptions): PagePromise<Invoice> {
    return this.#api.list(routes.billing.listInvoices, { query: params }, options);
  }

  /**
   * Issues an invoice that is not in Stripe: it gets its number (`INV-0001`, without gaps) and the day it is due, names
   * seller and buyer as they stand now, and is `open`. Issuing it again answers the same. Where Stripe has the invoice,
   * Stripe's number and document are the invoice.
   *
   * @throws ConflictError where it is void, or in Stripe
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * const { number, dueAt } = await client.billing.issueInvoice("inv_1", { daysUntilDue: 14 });
   * ```
   */
  issueInvoice(
    invoiceId: string,
    params: InvoiceIssueParams = {},
    options?: RequestOptions,
  ): APIPromise<Invoice> {
    return this.#api.call(routes.billing.issueInvoice, { params: { invoiceId }, body: params }, options);
  }

  /**
   * Records that an invoice that was issued here is paid: by a transfer, for example. The same reference again changes
   * nothing. An invoice in Stripe is paid when Stripe says so.
   *
   * @throws ConflictError where it is not issued here, is void, or is paid by another payment
   * @throws NotFoundError where there is none of this id
   * @throws ValidationError where `paidAt` lies in the future
   * @example
   * ```ts
   * const { status } = await client.billing.payInvoice("inv_1", { reference: "transfer 8731" });
   * ```
   */
  payInvoice(invoiceId: string, params: InvoicePayParams, options?: RequestOptions): APIPromise<Invoice> {
    return this.#api.call(routes.billing.payInvoice, { params: { invoiceId }, body: params }, options);
  }

  /**
   * Makes a link that opens the document of an invoice issued here without a key, for the payer. Its `path` is put behind
   * the address at which the payer reaches the server. Nothing is stored of it, so it cannot be called back before it ends.
   *
   * @throws ConflictError where the invoice is not issued here
   * @throws NotFoundError where there is none of this id
   * @throws LicentricError where the server has no secret key to sign with
   * @example
   * ```ts
   * const { path, expiresAt } = await client.billing.createInvoiceLink("inv_1", { expiresIn: 14 * 86_400 });
   * show(`https://billing.example.com${path}`, expiresAt);
   * ```
   */
  createInvoiceLink(
    invoiceId: string,
    params: InvoiceLinkParams = {},
    options?: RequestOptions,
  ): APIPromise<InvoiceLink> {
    return this.#api.call(routes.billing.createInvoiceLink, { params: { invoiceId }, body: params }, options);
  }

  /**
   * Voids an invoice that is not paid. Its usage can then be invoiced again: `createInvoice` makes a new one.
   *
   * @throws ConflictError where the invoice is paid
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * const { status } = await client.billing.voidInvoice("inv_1");
   * ```
   */
  voidInvoice(invoiceId: string, options?: RequestOptions): APIPromise<Invoice> {
    return this.#api.call(routes.billing.voidInvoice, { params: { invoiceId } }, options);
  }

  /**
   * Takes an amount back from an invoice, at most what is left of its total. Of a paid invoice, `settlement` says
   * how the money goes back: `customer_balance` (the default), `refund` or `out_of_band`.
   *
   * @throws ValidationError where the amount is more than what is left
   * @throws NotFoundError where there is no such invoice
   * @example
   * ```ts
   * const note = await client.billing.createCreditNote("inv_1", { amount: "2.50", reason: "duplicate" });
   * ```
   */
  createCreditNote(
    invoiceId: string,
    params: CreditNoteCreateParams,
    options?: RequestOptions,
  ): APIPromise<CreditNote> {
    return this.#api.call(routes.billing.createCreditNote, { params: { invoiceId }, body: params }, options);
  }

  /**
   * Lists an invoice's credit notes, newest first.
   *
   * @throws NotFoundError where there is no such invoice
   * @example
   * ```ts
   * for await (const note of client.billing.listCreditNotes("inv_1")) show(note.amount, note.status);
   * ```
   */
  listCreditNotes(
    invoiceId: string,
    params: CreditNoteListParams = {},
    options?: RequestOptions,
  ): PagePromise<CreditNote> {
    return this.#api.list(routes.billing.listCreditNotes, { params: { invoiceId }, query: params }, options);
  }
}

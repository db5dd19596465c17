import type {
  CustomerDiscount,
  CustomerMinimum,
  Discount,
  PageQuery,
  SetCustomerDiscount,
  SetCustomerMinimum,
} from "@licentric/contract";
import type { z } from "zod";
import { getEnvironment } from "../accounts/accounts.ts";
import { lockCurrentPeriod } from "../billing/carry-over.ts";
import { payableAmount } from "../billing/payable-amount.ts";
import { periodAt } from "../billing/period-bounds.ts";
import type { TermKind } from "../billing/terms-of-period.ts";
import { ApiError } from "../http/api-error.ts";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { getCustomer } from "./customers.ts";

interface TermRow<Terms> {
  readonly id: string;
  readonly customer_id: string;
  readonly terms: Terms | null;
  readonly periods: number | null;
  readonly reason: string | null;
  readonly effective_from: Date;
  readonly billed_from: Date | null;
  readonly created_at: Date;
}

interface Minimum {
  readonly minimum: string;
}

interface Making {
  readonly newId: () => string;
  readonly now: Date;
}

/** The terms of a kind, `$2`, that were agreed with the customer `$3`; `$1` is the environment. */
const SELECT = `
SELECT t.id, t.customer_id, t.terms, t.periods, t.reason, t.effective_from, t.created_at,
  CASE WHEN last.id = t.id THEN first.starts_at END AS billed_from
FROM customer_terms t
CROSS JOIN LATERAL ${periodAt("t.environment_id", "t.effective_from")} at
CROSS JOIN LATERAL (
  SELECT CASE WHEN at.starts_at >= t.effective_from THEN at.starts_at ELSE at.ends_at END AS starts_at
) first
CROSS JOIN LATERAL (
  SELECT l.id FROM customer_terms l
  WHERE l.environment_id = t.environment_id AND l.customer_id = t.customer_id AND l.kind = t.kind
    AND l.effective_from <= first.starts_at
  ORDER BY l.effective_from DESC, l.id DESC LIMIT 1
) last
WHERE t.environment_id = $1 AND t.kind = $2 AND t.customer_id = $3`;

function agreedOf(row: TermRow<unknown>) {
  return {
    id: row.id,
    customerId: row.customer_id,
    periods: row.periods,
    effectiveFrom: row.effective_from.toISOString(),
    billedFrom: row.billed_from?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  };
}

function toDiscount(row: TermRow<Discount>): CustomerDiscount {
  return { ...agreedOf(row), discount: row.terms, reason: row.reason };
}

function toMinimum(row: TermRow<Minimum>): CustomerMinimum {
  return { ...agreedOf(row), minimum: row.terms?.minimum ?? null };
}

/**
 * Agrees on a customer's discount from a moment on, by default from the start of the period that takes usage now. It takes
 * over from the one before.
 *
 * @throws {ApiError} `NOT_FOUND` for the customer; `UNPROCESSABLE` for an amount that the currency cannot pay; `CONFLICT`
 * where it would count for a period that is closed.
 */
export async function setCustomerDiscount(
  tx: Queryable,
  environmentId: string,
  customerId: string,
  { discount, reason, periods, effectiveFrom }: z.output<typeof SetCustomerDiscount>,
  making: Making,
): Promise<CustomerDiscount> {
  await getCustomer(tx, environmentId, customerId);
  if (discount?.model === "amount") await requirePayable(tx, environmentId, discount.amount);
  const from = effectiveFrom === undefined ? null : new Date(effectiveFrom);
  const row = await insert<Discount>(
    tx,
    { environmentId, customerId, kind: "discount", terms: discount, reason, periods },
    from ?? (await startOfCurrent(tx, environmentId, making)),
    making,
  );
  return toDiscount(row);
}

/**
 * Agrees on the least that a customer's invoice comes to from a moment on, by default from now, so that the next period
 * is the first. It takes over from the one before.
 *
 * @throws {ApiError} as {@link setCustomerDiscount} does.
 */
export async function setCustomerMinimum(
  tx: Queryable,
  environmentId: string,
  customerId: string,
  { minimum, periods, effectiveFrom }: z.output<typeof SetCustomerMinimum>,
  making: Making,
): Promise<CustomerMinimum> {
  await getCustomer(tx, environmentId, customerId);
  if (minimum !== null) await requirePayable(tx, environmentId, minimum);
  const row = await insert<Minimum>(
    tx,
    { environmentId, customerId, kind: "minimum", terms: minimum === null ? null : { minimum }, periods },
    effectiveFrom === undefined ? making.now : new Date(effectiveFrom),
    making,
  );
  return toMinimum(row);
}

async function requirePayable(tx: Queryable, environmentId: string, amount: string): Promise<void> {
  const { account } = await getEnvironment(tx, environmentId);
  payableAmount(amount, account.currency);
}

async function startOfCurrent(tx: Queryable, environmentId: string, making: Making): Promise<Date> {
  const id = await lockCurrentPeriod(tx, environmentId, making);
  const rows = await tx.query<{ starts_at: Date }>("SELECT starts_at FROM periods WHERE id = $1", [id]);
  return onlyRow(rows).starts_at;
}

interface NewTerm<Terms> {
  readonly environmentId: string;
  readonly customerId: string;
  readonly kind: TermKind;
  readonly terms: Terms | null;
  readonly reason?: string | undefined;
  readonly periods?: number | undefined;
}

async function insert<Terms>(
  tx: Queryable,
  { environmentId, customerId, kind, terms, reason, periods }: NewTerm<Terms>,
  from: Date,
  { newId, now }: Making,
): Promise<TermRow<Terms>> {
  await requireOpen(tx, environmentId, from);
  const id = newId();
  await tx.query(
    `INSERT INTO customer_terms
       (id, environment_id, customer_id, kind, terms, periods, reason, effective_from, created_at)
     VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9)`,
    [
      id,
      environmentId,
      uuidParam(customerId),
      kind,
      terms === null ? null : JSON.stringify(terms),
      periods ?? null,
      reason ?? null,
      from,
      now,
    ],
  );
  return onlyRow(
    await tx.query<TermRow<Terms>>(`${SELECT} AND t.id = $4`, [
      environmentId,
      kind,
      uuidParam(customerId),
      id,
    ]),
  );
}

/**
 * Keeps every open period open until the transaction ends, so that what is agreed for one is written down as it is closed.
 *
 * @throws {ApiError} `CONFLICT` where a period that begins then or later is closed.
 */
async function requireOpen(tx: Queryable, environmentId: string, from: Date): Promise<void> {
  await tx.query(
    "SELECT 1 FROM periods WHERE environment_id = $1 AND status = 'open' ORDER BY starts_at, id FOR SHARE",
    [environmentId],
  );
  // One that was closed as it began has no time in which anything could count.
  const [closed] = await tx.query<{ ends_at: Date }>(
    `SELECT ends_at FROM periods
     WHERE environment_id = $1 AND status = 'closed' AND starts_at >= $2 AND ends_at > $2
     ORDER BY ends_at DESC LIMIT 1`,
    [environmentId, from],
  );
  if (closed === undefined) return;
  throw new ApiError(
    "CONFLICT",
    `A period that begins then or later is closed, and what was agreed for it does not change. Name ${closed.ends_at.toISOString()} or a later effectiveFrom, or leave it out.`,
  );
}

/** Lists a customer's discounts, newest first. */
export function listCustomerDiscounts(
  db: Queryable,
  environmentId: string,
  customerId: string,
  query: z.output<typeof PageQuery>,
): Promise<Page<CustomerDiscount>> {
  return list(db, { environmentId, customerId, kind: "discount" }, query, toDiscount);
}

/** Lists a customer's minimums, newest first. */
export function listCustomerMinimums(
  db: Queryable,
  environmentId: string,
  customerId: string,
  query: z.output<typeof PageQuery>,
): Promise<Page<CustomerMinimum>> {
  return list(db, { environmentId, customerId, kind: "minimum" }, query, toMinimum);
}

/** @throws {ApiError} `NOT_FOUND` where there is no such customer. */
async function list<Terms, Item extends { readonly id: string }>(
  db: Queryable,
  { environmentId, customerId, kind }: Pick<NewTerm<Terms>, "environmentId" | "customerId" | "kind">,
  query: z.output<typeof PageQuery>,
  toItem: (row: TermRow<Terms>) => Item,
): Promise<Page<Item>> {
  await getCustomer(db, environmentId, customerId);
  const page = pageRequest(query);
  return readPage(
    page,
    (limit) =>
      db.query<TermRow<Terms>>(`${SELECT} AND ($4::uuid IS NULL OR t.id < $4) ORDER BY t.id DESC LIMIT $5`, [
        environmentId,
        kind,
        uuidParam(customerId),
        page.cursor,
        limit,
      ]),
    toItem,
  );
}

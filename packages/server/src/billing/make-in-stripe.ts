import Stripe from "stripe";
import { onlyRow, type Queryable } from "../store/database.ts";
import { CLOCK_DIFFERENCE } from "./stripe.ts";

/** Something to be made in Stripe once. */
export interface StripeStep<Made> {
  /** The row of ours that it is made for. */
  readonly subjectId: string;
  /** Role that it has for that row, for example `invoice`. */
  readonly step: string;
  /** Finds it by its metadata, made at or after `since`. */
  readonly find: (since: Date) => Promise<Made | null>;
  readonly make: (idempotencyKey: string) => Promise<Made>;
}

interface StepRow {
  attempt: number;
  first_started_at: Date;
  started_at: Date;
  spent: boolean;
}

// Stripe keeps an idempotency key for at least 24 hours, and the last use may have been retried for a minute.
const KEY_LIFETIME = 23 * 60 * 60 * 1_000;
const TRIES = 2;

/**
 * Makes something in Stripe once, whatever happened before: nothing, a crash, a timeout, a failure, yesterday.
 *
 * As long as Stripe remembers the idempotency key, the request is repeated with it. When it no longer does, or has
 * kept a failure under it, what may have been made is looked for first, and only then another key is used. That
 * decision is recorded by compare-and-set before Stripe is asked, so that two processes at once use one key.
 */
export async function makeInStripe<Made>(
  { db, now }: { readonly db: Queryable; readonly now: () => Date },
  { subjectId, step, find, make }: StripeStep<Made>,
): Promise<Made> {
  let tries = 0;
  for (;;) {
    const at = now();
    const { attempt, spent, started_at, first_started_at } = await readStep(db, subjectId, step, at);
    if (spent || at.getTime() - started_at.getTime() >= KEY_LIFETIME) {
      const found = await find(new Date(first_started_at.getTime() - CLOCK_DIFFERENCE));
      if (found !== null) return found;
      await db.query(
        `UPDATE stripe_steps SET attempt = attempt + 1, started_at = $4, spent = false
         WHERE subject_id = $1 AND step = $2 AND attempt = $3`,
        [subjectId, step, attempt, at],
      );
      // Whoever came first has decided on the next key: read which it is.
      continue;
    }
    tries += 1;
    try {
      return await make(`licentric:${subjectId}:${step}:${attempt}`);
    } catch (error) {
      if (!isKeptFailure(error)) throw error;
      await db.query(
        "UPDATE stripe_steps SET spent = true WHERE subject_id = $1 AND step = $2 AND attempt = $3",
        [subjectId, step, attempt],
      );
      const serverError = (error.statusCode ?? 0) >= 500 || error.type === "StripeIdempotencyError";
      if (!serverError || tries >= TRIES) throw error;
    }
  }
}

async function readStep(db: Queryable, subjectId: string, step: string, at: Date): Promise<StepRow> {
  await db.query(
    `INSERT INTO stripe_steps (subject_id, step, attempt, first_started_at, started_at)
     VALUES ($1, $2, 1, $3, $3) ON CONFLICT DO NOTHING`,
    [subjectId, step, at],
  );
  return onlyRow(
    await db.query<StepRow>(
      "SELECT attempt, first_started_at, started_at, spent FROM stripe_steps WHERE subject_id = $1 AND step = $2",
      [subjectId, step],
    ),
  );
}

/**
 * Checks whether Stripe would give this failure again for the same key. A refused request (4xx) is not
 * repeated as it is. Of a 5xx only one that was replayed is known to be over: a fresh one may come from a
 * proxy in front of work that is still going on. Refusals before any work (no permission, too many requests,
 * key in use) keep nothing.
 */
function isKeptFailure(error: unknown): error is InstanceType<typeof Stripe.errors.StripeError> {
  if (!(error instanceof Stripe.errors.StripeError) || error.statusCode === undefined) return false;
  if (error.statusCode >= 500) return error.headers?.["idempotent-replayed"] === "true";
  return ![401, 403, 409, 429].includes(error.statusCode);
}

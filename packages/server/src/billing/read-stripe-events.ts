import type { Mode } from "@licentric/contract";
import Stripe from "stripe";
import type { Services } from "../services.ts";
import type { Database } from "../store/database.ts";
import { CLOCK_DIFFERENCE, type StripeConnection, seconds } from "./stripe.ts";
import { FOLLOWED_EVENTS, lookedAt, type StripeEvent, takeStripeEvent } from "./take-stripe-event.ts";

type Parts = Pick<Services, "db" | "now" | "newId">;

/** An event, and when Stripe made it. */
type DatedEvent = StripeEvent & { readonly created: number };

const DAY = 86_400_000;
/** Stripe lists events for 30 days (https://docs.stripe.com/api/events). */
const LISTED_FOR = 30 * DAY;
/** Milliseconds by which Stripe may list an event later than one that it made after it. */
const OVERLAP = 5 * 60 * 1_000;
/** Milliseconds for which an event that cannot be followed is tried again. */
const TRIED_FOR = DAY;

/**
 * Reads from Stripe the events that have not arrived, and follows them, oldest first: a server without
 * `STRIPE_WEBHOOK_SECRET` learns so what is paid, and another one what its endpoint has missed.
 *
 * @throws the first failure of an event, when all others have been followed: it is tried again for a day.
 * @throws {StripeEventsError} when the key may not read events.
 */
export async function readStripeEvents(services: Parts, stripe: StripeConnection): Promise<void> {
  const { db, now } = services;
  const from = await readFrom(db, stripe.mode, now());
  const events = await listEvents(stripe, from);
  const known = await knownEvents(db, events);
  const failed: { readonly event: DatedEvent; readonly error: unknown }[] = [];
  for (const event of events) {
    if (known.has(event.id)) continue;
    await takeStripeEvent(services, stripe, event).catch((error: unknown) => failed.push({ event, error }));
  }
  const newest = events.at(-1);
  const [first] = failed;
  if (newest !== undefined) {
    const readTo =
      first === undefined ? newest.created : Math.max(first.event.created, newest.created - TRIED_FOR);
    await db.query(
      `INSERT INTO stripe_events_read (mode, read_to) VALUES ($1, to_timestamp($2::float8 / 1000))
       ON CONFLICT (mode) DO UPDATE SET read_to = greatest(stripe_events_read.read_to, excluded.read_to)`,
      [stripe.mode, readTo],
    );
  }
  if (first !== undefined) throw first.error;
}

/** The key may not read Stripe's events; the message says what to do. */
export class StripeEventsError extends Error {
  override readonly name = "StripeEventsError";
}

/** Returns the moment at which the events to be read begin. At first, as early as the oldest invoice that Stripe can have news of. */
async function readFrom(db: Database, mode: Mode, now: Date): Promise<Date> {
  const [row] = await db.query<{ read_to: Date | null; oldest: Date | null }>(
    `SELECT (SELECT read_to FROM stripe_events_read WHERE mode = $1) AS read_to,
       (SELECT min(i.created_at) FROM invoices i JOIN environments e ON e.id = i.environment_id
        WHERE e.mode = $1 AND i.stripe_invoice_id IS NOT NULL AND i.status NOT IN ('paid', 'void')) AS oldest`,
    [mode],
  );
  const readTo = row?.read_to?.getTime();
  const begin = readTo === undefined ? (row?.oldest ?? now).getTime() - CLOCK_DIFFERENCE : readTo - OVERLAP;
  return new Date(Math.max(begin, now.getTime() - LISTED_FOR));
}

async function listEvents({ api }: StripeConnection, from: Date): Promise<DatedEvent[]> {
  const events: DatedEvent[] = [];
  const types = [...FOLLOWED_EVENTS];
  try {
    for await (const event of api.events.list({ types, created: { gte: seconds(from) }, limit: 100 })) {
      const { id, type, livemode, created } = event;
      // An invoice is large, and there may be many: only what is looked at is kept.
      const object = lookedAt(event);
      events.push({ id, type, livemode, created: created * 1_000, data: { object } });
    }
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripePermissionError)) throw error;
    throw new StripeEventsError(
      "Stripe's events cannot be read: STRIPE_API_KEY is a restricted key without read access to Events. Give it that in " +
        "Stripe's dashboard; until then, invoices become paid by Stripe's webhook alone.",
    );
  }
  return events.reverse();
}

async function knownEvents(db: Database, events: readonly DatedEvent[]): Promise<ReadonlySet<string>> {
  if (events.length === 0) return new Set();
  const rows = await db.query<{ id: string }>("SELECT id FROM stripe_events WHERE id = ANY ($1::text[])", [
    events.map(({ id }) => id),
  ]);
  return new Set(rows.map(({ id }) => id));
}

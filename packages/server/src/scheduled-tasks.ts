import { MAX_CLOCK_SKEW } from "@licentric/contract";
import type { Logger } from "pino";
import { type AutoArchive, archiveByAge } from "./archive/archive-by-age.ts";
import type { ArchivedMonth, ArchiveError } from "./archive/archive-month.ts";
import { openPeriodsOfMinimums } from "./billing/open-period.ts";
import { closeEndedPeriods } from "./billing/periods.ts";
import { readStripeEvents, StripeEventsError } from "./billing/read-stripe-events.ts";
import { sendPendingCreditNotes } from "./billing/send-credit-note.ts";
import type { StripeConnection } from "./billing/stripe.ts";
import type { RateLimiter } from "./http/rate-limits.ts";
import { removeExpired } from "./maintenance.ts";
import { KEYS_KEPT, type Retention, removeByAge } from "./retention.ts";
import type { Services } from "./services.ts";
import { indexPastByAgent, makePartitions } from "./store/event-partitions.ts";
import type { Delivery } from "./webhooks/delivery.ts";

/** Options for what is done without a request. */
export interface ScheduleOptions {
  /**
   * Closes each period by itself, `after` seconds after its end. Periods are closed by call alone by default.
   *
   * A close is for good: nothing is closed by itself while this server's clock and the database's differ by more than
   * `maxClockSkew` seconds, 300 by default, and the log says so.
   */
  readonly autoClose?: { readonly after: number; readonly maxClockSkew?: number };
  /** For how many days idempotency keys, ended credentials, reservations and the audit log are kept. */
  readonly retention?: Retention;
  /**
   * Exports the events of each month that is old enough, closed and invoiced, and removes them from the database. They
   * stay for ever by default.
   */
  readonly archive?: AutoArchive;
  /** Milliseconds between two looks at what is to be done in the background. 1000 by default. */
  readonly backgroundInterval?: number;
}

/** Stripe is asked again once a minute, not once a second. */
const LOOKS_PER_CREDIT_NOTE = 60;
/** Stripe's events are read once a minute where no webhook brings them, and every ten minutes where one does. */
const LOOKS_PER_STRIPE_EVENTS = 60;
const LOOKS_BESIDE_WEBHOOK = 600;
/** A large database of the version before is indexed while the server is at work. */
const LOOKS_PER_INDEX = 30;
/** A month begins once, and any usage in it opens its period before. */
const LOOKS_PER_MINIMUM = 60;
const MAINTENANCE_INTERVAL = 3_600_000;
const ARCHIVE_INTERVAL = 6 * MAINTENANCE_INTERVAL;
const BACKGROUND_INTERVAL = 1_000;

/** Has everything done that no request does: what is sent, removed, archived and closed as time goes on. */
export function scheduleTasks(
  every: (interval: number, what: string, task: () => Promise<void>) => void,
  options: ScheduleOptions,
  parts: {
    readonly services: Services;
    readonly limiter: RateLimiter;
    readonly delivery: Delivery | null;
    readonly log: Logger;
  },
): void {
  const { services, limiter, delivery, log } = parts;
  const { db, now, newId, stripe } = services;
  const { autoClose, archive, retention } = options;
  const interval = options.backgroundInterval ?? BACKGROUND_INTERVAL;
  if (delivery !== null) every(interval, "sending webhooks", delivery.poll);
  every(interval, "sharing request counts", limiter.sync);
  every(MAINTENANCE_INTERVAL, "removing what has expired", () => removeExpired(db, now()));
  every(MAINTENANCE_INTERVAL, "making partitions ahead", () => makePartitions(db, new Date()));
  // At once in a database of the version before; it finds nothing to do ever after.
  every(interval * LOOKS_PER_INDEX, "making the index of events by agent", () => indexPastByAgent(db));
  const maxClockSkew = (autoClose?.maxClockSkew ?? MAX_CLOCK_SKEW) * 1_000;
  every(interval * LOOKS_PER_MINIMUM, "opening periods for minimums", () =>
    openPeriodsOfMinimums(db, { maxClockSkew, newId, now }),
  );
  every(MAINTENANCE_INTERVAL, "removing what is no longer kept", async () => {
    const removed = await removeByAge(db, retention ?? {}, now());
    if (removed.size > 0) log.info({ rows: Object.fromEntries(removed) }, "removed what is no longer kept");
    if (db.kind === "embedded") await db.maintain("ANALYZE");
  });
  if (archive !== undefined) {
    const keysKept = retention?.idempotencyKeys ?? KEYS_KEPT;
    const told = {
      archived: (month: ArchivedMonth) => log.info(month, "archived the events of a month"),
      left: (error: ArchiveError) => log.warn(error.message),
    };
    every(ARCHIVE_INTERVAL, "archiving events", () =>
      archiveByAge(db, { ...archive, keysKept }, { now: now(), newId }, told),
    );
  }
  if (stripe !== null) {
    every(interval * LOOKS_PER_CREDIT_NOTE, "sending credit notes", () =>
      sendPendingCreditNotes(services, stripe, (error) =>
        log.warn({ err: error }, "a credit note could not be sent"),
      ),
    );
    const looks = stripe.webhookSecret === null ? LOOKS_PER_STRIPE_EVENTS : LOOKS_BESIDE_WEBHOOK;
    every(interval * looks, "reading Stripe's events", eventsReader(stripe, services, log));
  }
  if (autoClose !== undefined) {
    every(interval, "closing ended periods", () =>
      closeEndedPeriods(db, {
        grace: autoClose.after * 1_000,
        maxClockSkew,
        newId,
        now,
      }),
    );
  }
}

/** Reads Stripe's events. Where its webhook brings them anyway, that the key may not read them is told once. */
function eventsReader(stripe: StripeConnection, services: Services, log: Logger): () => Promise<void> {
  let told = false;
  return async () => {
    try {
      await readStripeEvents(services, stripe);
    } catch (error) {
      if (stripe.webhookSecret === null || !(error instanceof StripeEventsError)) throw error;
      if (!told) log.warn(error.message);
      told = true;
    }
  };
}

import { isTimeZone } from "../accounts/accounts.ts";
import type { Queryable } from "../store/database.ts";
import { firstMoment } from "./period-bounds.ts";

/** A month that begins at another moment for the database than for this process. */
export interface TimeZoneDifference {
  /** IANA name. */
  readonly timeZone: string;
  /** The month, `YYYY-MM`. */
  readonly month: string;
  /** Beginning of the month by the database's time zone data, by which periods are opened. */
  readonly startsAt: Date;
  /**
   * True where an account may have the time zone, and the data of one side is old. False: PostgreSQL takes it
   * for an abbreviation.
   */
  readonly isAllowed: boolean;
}

/** Months looked at, from the running one on. */
const MONTHS = 24;

/** The month that a moment is in, `YYYY-MM`. */
export type MonthOf = (moment: Date, timeZone: string) => string;

const monthOf: MonthOf = (moment, timeZone) =>
  new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit" })
    .format(moment)
    .slice(0, 7);

/**
 * Compares the database's time zone data with this process's, for the accounts' time zones and the next two years: the
 * first month of each zone whose beginning they do not agree on. Countries change their clocks at short notice, and who
 * has not heard of it opens periods an hour off.
 *
 * @returns what differs: an empty list where all is well.
 *
 * @example
 * ```ts
 * for (const { timeZone, month } of await compareTimeZones(db, new Date())) console.log(timeZone, month);
 * ```
 */
export async function compareTimeZones(
  db: Queryable,
  now: Date,
  known: MonthOf = monthOf,
): Promise<TimeZoneDifference[]> {
  const rows = await db.query<{ time_zone: string; month: string; starts_at: Date }>(
    `SELECT zone.name AS time_zone, to_char(month.local, 'YYYY-MM') AS month, ${firstMoment("month.local")} AS starts_at
     FROM (
       SELECT DISTINCT coalesce(e.time_zone, a.time_zone) AS name FROM environments e JOIN accounts a ON a.id = e.account_id
     ) zone
     CROSS JOIN LATERAL (
       SELECT date_trunc('month', $1::timestamptz AT TIME ZONE zone.name) + make_interval(months => n) AS local
       FROM generate_series(0, $2::int) n
     ) month
     ORDER BY 1, 2`,
    [now, MONTHS],
  );
  const different = rows.filter(
    ({ time_zone: zone, month, starts_at: at }) =>
      known(at, zone) !== month || known(new Date(at.getTime() - 1), zone) === month,
  );
  const first = new Map(different.toReversed().map((row) => [row.time_zone, row]));
  const answers: TimeZoneDifference[] = [];
  for (const { time_zone: timeZone, month, starts_at: startsAt } of [...first.values()].toReversed()) {
    answers.push({ timeZone, month, startsAt, isAllowed: await isTimeZone(db, timeZone) });
  }
  return answers;
}

import {
  MAX_TIMESERIES_DAYS,
  type UsageInterval,
  type UsageIntervalTotal,
  type UsageTimeseriesQuery,
} from "@licentric/contract";
import type { z } from "zod";
import { hasKeyScope, type KeyCaller } from "../accounts/caller.ts";
import { firstMoment } from "../billing/period-bounds.ts";
import { summedQuantity } from "../exact-integer.ts";
import { ApiError } from "../http/api-error.ts";
import { type Database, onlyRow, uuidParam } from "../store/database.ts";
import { leastId } from "../store/month.ts";
import { MAX_SUMS, tooManySums } from "./usage-totals.ts";

type Query = z.output<typeof UsageTimeseriesQuery>;

interface SumRow {
  starts_at: Date;
  ends_at: Date;
  meter_name: string;
  agent_id?: string;
  agent_name?: string;
  customer_id?: string | null;
  customer_name?: string | null;
  quantity: string;
  event_count: number;
}

/** Time between two moments, as the database tells it: both lie on edges of intervals. */
interface Span {
  readonly zone: string;
  readonly startsAt: Date;
  readonly endsAt: Date;
  /** Bounds as local dates, for the days of the totals. */
  readonly firstDay: string;
  readonly endDay: string;
}

interface Asked {
  readonly environmentId: string;
  readonly query: Query;
  readonly interval: UsageInterval;
  readonly now: Date;
}

const DAY = 86_400_000;

/** Days in which clocks are put back are longer. */
const CLOCK_CHANGE = 7_200_000;

/** The moment and the id of an event are told by two clocks, which may differ by less than this. */
const CLOCKS_APART = 3_600_000;

/** Days of a period in another time zone begin up to 26 hours apart. */
const ZONES_APART = 2 * DAY;

const DEFAULT_SPAN = { hour: "24 hours", day: "30 days", month: "12 months" } as const;

/**
 * Sums usage by hour, day or month between two moments. Days and months come from the totals that are kept as events
 * arrive, so that their cost does not grow with the number of events. Hours are summed from the events, of which only
 * those partitions are read that can hold them. Names of agents and customers are told to keys that may read these.
 *
 * @throws {ApiError} `VALIDATION_ERROR` when the time is none or too long, `UNPROCESSABLE` when there are more than
 * 10,000 sums, or events whose hours are asked for are archived.
 */
export async function usageTimeseries(
  db: Database,
  caller: Pick<KeyCaller, "environmentId" | "scopes">,
  query: Query,
  now: Date,
): Promise<UsageIntervalTotal[]> {
  const { environmentId } = caller;
  const named = {
    agent: hasKeyScope(caller, "agents:read"),
    customer: hasKeyScope(caller, "customers:read"),
  };
  const asked = { environmentId, query, interval: query.interval ?? "day", now };
  const span = await readSpan(db, asked);
  const rows = asked.interval === "hour" ? await sumHours(db, asked, span) : await sumDays(db, asked, span);
  if (rows.length > MAX_SUMS) throw tooManySums();
  return rows.map((row) => ({
    startsAt: row.starts_at.toISOString(),
    endsAt: row.ends_at.toISOString(),
    meterName: row.meter_name,
    ...(row.agent_id !== undefined && {
      agentId: row.agent_id,
      ...(named.agent && { agentName: row.agent_name }),
    }),
    ...(row.customer_id !== undefined && {
      customerId: row.customer_id,
      ...(named.customer && { customerName: row.customer_name }),
    }),
    ...summedQuantity(row.quantity),
    eventCount: row.event_count,
  }));
}

/**
 * The time zone is that of the period that runs, whose days the totals have; a new one counts from the next period on.
 */
const ZONE = `(
  SELECT coalesce(
    (SELECT p.time_zone FROM periods p WHERE p.environment_id = e.id AND p.starts_at <= $2 ORDER BY p.ends_at DESC LIMIT 1),
    e.time_zone, a.time_zone
  ) AS name
  FROM environments e JOIN accounts a ON a.id = e.account_id WHERE e.id = $1
) zone`;

/** A bound of the query as a moment: a date is the first moment of that day. */
const momentOf = (bound: string) => `CASE WHEN ${bound} LIKE '%T%' THEN ${bound}::timestamptz
  ELSE ${firstMoment(`left(${bound}, 10)::timestamp`)} END`;

/** The time asked for, and the whole intervals that it lies in. An hour may come twice a day, so hours are no local times. */
const SPAN = `
SELECT zone.name AS zone, asked.starts_at AS asked_from, asked.ends_at AS asked_to, edge.starts_at, edge.ends_at,
  (edge.starts_at AT TIME ZONE zone.name)::date::text AS first_day,
  (edge.ends_at AT TIME ZONE zone.name)::date::text AS end_day
FROM ${ZONE}
CROSS JOIN LATERAL (SELECT ${momentOf("$4::text")} AS ends_at) until
CROSS JOIN LATERAL (
  SELECT coalesce(${momentOf("$3::text")}, until.ends_at - $6::interval) AS starts_at, until.ends_at
) asked
CROSS JOIN LATERAL (SELECT asked.ends_at - interval '1 microsecond' AS at) last
CROSS JOIN LATERAL (
  SELECT date_trunc($5::text, asked.starts_at AT TIME ZONE zone.name) AS starts,
    date_trunc($5::text, last.at AT TIME ZONE zone.name) + ('1 ' || $5::text)::interval AS ends
) local
CROSS JOIN LATERAL (
  SELECT CASE $5::text WHEN 'hour' THEN date_trunc('hour', asked.starts_at, zone.name)
      ELSE ${firstMoment("local.starts")} END AS starts_at,
    CASE $5::text WHEN 'hour' THEN date_trunc('hour', last.at, zone.name) + interval '1 hour'
      ELSE ${firstMoment("local.ends")} END AS ends_at
) edge`;

async function readSpan(db: Database, { environmentId, query, interval, now }: Asked): Promise<Span> {
  const span = onlyRow(
    await db.query<{
      zone: string;
      asked_from: Date;
      asked_to: Date;
      starts_at: Date;
      ends_at: Date;
      first_day: string;
      end_day: string;
    }>(SPAN, [
      environmentId,
      now,
      query.from ?? null,
      query.to ?? now.toISOString(),
      interval,
      DEFAULT_SPAN[interval],
    ]),
  );
  const time = span.asked_to.getTime() - span.asked_from.getTime();
  if (time <= 0) throw invalid("to", "must be later than `from`");
  const most = MAX_TIMESERIES_DAYS[interval];
  if (time > most * DAY + CLOCK_CHANGE) {
    throw invalid(
      "from",
      `lies more than ${most} days before \`to\`, the most by ${interval}; ask for less time, or by longer intervals`,
    );
  }
  return {
    zone: span.zone,
    startsAt: span.starts_at,
    endsAt: span.ends_at,
    firstDay: span.first_day,
    endDay: span.end_day,
  };
}

function invalid(path: string, message: string): ApiError {
  return new ApiError("VALIDATION_ERROR", `${path}: ${message}`, {
    issues: [{ path, message, code: "custom" }],
  });
}

/** Conditions of a query's filters on rows `u` and their meters `m`, with the values of `$2` to `$4`. */
const FILTERS =
  "($2::uuid IS NULL OR u.agent_id = $2) AND ($3::uuid IS NULL OR u.customer_id = $3) AND ($4::text IS NULL OR m.name = $4)";

function filterValues({ agentId, customerId, meterName }: Query) {
  const id = (text: string | undefined) => (text === undefined ? null : uuidParam(text));
  return [id(agentId), id(customerId), meterName ?? null];
}

/** Rows `u` that are summed, with their meters `m`. */
interface Source {
  /** SQL of the rows: all that follows `FROM`. */
  readonly rows: string;
  /** SQL of the beginning of a row's interval. */
  readonly starts: string;
  readonly eventCount: string;
  /** SQL of an interval's first moment and its end, made of `s.starts`. */
  readonly startsAt: string;
  readonly endsAt: string;
}

/** The statement that sums by interval, meter and what was asked for, with the names that go with ids. */
function sumBy({ groupBy = [] }: Query, { rows, starts, eventCount, startsAt, endsAt }: Source): string {
  const dimensions = [...new Set(groupBy)];
  const ids = dimensions.map((each) => `, u.${each}_id`).join("");
  const named = dimensions.map((each) => `, sums.${each}_id, ${each}.name AS ${each}_name`).join("");
  const joins = dimensions.map(
    (each) => `LEFT JOIN ${each}s ${each} ON ${each}.environment_id = $1 AND ${each}.id = sums.${each}_id`,
  );
  return `
WITH sums AS MATERIALIZED (
  SELECT ${starts} AS starts, m.name AS meter_name${ids}, sum(u.quantity)::text AS quantity,
    ${eventCount}::bigint AS event_count
  FROM ${rows}
  GROUP BY 1, m.name${ids} LIMIT ${MAX_SUMS + 1}
),
edge AS MATERIALIZED (
  SELECT s.starts, ${startsAt} AS starts_at, ${endsAt} AS ends_at
  FROM (SELECT DISTINCT starts FROM sums) s, (SELECT $5::text AS name) zone
)
SELECT edge.starts_at, edge.ends_at, sums.meter_name${named}, sums.quantity, sums.event_count
FROM sums JOIN edge USING (starts) ${joins.join(" ")}
ORDER BY edge.starts_at, sums.meter_name${dimensions.map((each) => `, sums.${each}_id`).join("")}`;
}

/** An event is of a period that ends after the moment of its usage: those that had ended before have none of it. */
function sumDays(db: Database, { environmentId, query, interval }: Asked, span: Span): Promise<SumRow[]> {
  return db.query(
    sumBy(query, {
      rows: `periods p JOIN usage_totals u ON u.period_id = p.id JOIN meters m ON m.id = u.meter_id
  WHERE p.environment_id = $1 AND p.ends_at > $6 AND u.environment_id = $1 AND u.day >= $7::date AND u.day < $8::date
    AND ${FILTERS}`,
      starts: `date_trunc('${interval}', u.day::timestamp)`,
      eventCount: "sum(u.event_count)",
      startsAt: firstMoment("s.starts"),
      endsAt: firstMoment(`(s.starts + interval '1 ${interval}')`),
    }),
    [
      environmentId,
      ...filterValues(query),
      span.zone,
      new Date(span.startsAt.getTime() - ZONES_APART),
      span.firstDay,
      span.endDay,
    ],
  );
}

/**
 * The ids of events begin with the time of recording, which is after their usage and before their period was closed.
 * The totals say which periods hold usage of these days.
 */
async function sumHours(db: Database, { environmentId, query, now }: Asked, span: Span): Promise<SumRow[]> {
  const filters = filterValues(query);
  const days = [new Date(span.startsAt.getTime() - DAY), new Date(span.endsAt.getTime() + DAY)];
  const periods = await db.query<{ id: string; closed_at: Date | null; archived: boolean }>(
    `SELECT p.id, p.closed_at, EXISTS (${ofTheseDays("archived_totals")}) AS archived FROM periods p
     WHERE p.environment_id = $1 AND p.ends_at > $5 AND EXISTS (${ofTheseDays("usage_totals")})`,
    [
      environmentId,
      ...filters,
      new Date(span.startsAt.getTime() - ZONES_APART),
      ...days.map((day) => day.toISOString().slice(0, 10)),
    ],
  );
  if (periods.some(({ archived }) => archived)) {
    throw new ApiError(
      "UNPROCESSABLE",
      "Events of this time are archived, so that usage is not known by the hour any more. Ask for it by day.",
    );
  }
  if (periods.length === 0) return [];
  const until = Math.max(...periods.map(({ closed_at }) => (closed_at ?? now).getTime()));
  return db.query(
    sumBy(query, {
      rows: `metered_events u JOIN meters m ON m.id = u.meter_id
  WHERE u.environment_id = $1 AND u.period_id = ANY ($6::uuid[]) AND u.occurred_at >= $7 AND u.occurred_at < $8
    AND u.id >= $9::uuid AND u.id < $10::uuid AND ${FILTERS}`,
      starts: "date_trunc('hour', u.occurred_at, $5::text)",
      eventCount: "count(*)",
      startsAt: "s.starts",
      endsAt: "s.starts + interval '1 hour'",
    }),
    [
      environmentId,
      ...filters,
      span.zone,
      periods.map(({ id }) => id),
      span.startsAt,
      span.endsAt,
      leastId(new Date(span.startsAt.getTime() - CLOCKS_APART)),
      leastId(new Date(until + CLOCKS_APART)),
    ],
  );
}

const ofTheseDays = (table: "usage_totals" | "archived_totals") => `
  SELECT FROM ${table} u JOIN meters m ON m.id = u.meter_id
  WHERE u.environment_id = $1 AND u.period_id = p.id AND u.day BETWEEN $6::date AND $7::date AND ${FILTERS}`;

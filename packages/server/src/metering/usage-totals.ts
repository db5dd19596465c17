import type { UsageTotal, UsageTotalsQuery } from "@licentric/contract";
import type { z } from "zod";
import { getCurrentPeriod } from "../billing/periods.ts";
import { summedQuantity } from "../exact-integer.ts";
import { ApiError } from "../http/api-error.ts";
import { type Database, uuidParam } from "../store/database.ts";

/** The most sums of one answer. */
export const MAX_SUMS = 10_000;

/** The refusal of an answer with more than {@link MAX_SUMS} sums. */
export function tooManySums(): ApiError {
  return new ApiError(
    "UNPROCESSABLE",
    `There are more than ${MAX_SUMS} sums. Narrow them by agentId, customerId or meterName, or group by less.`,
  );
}

interface TotalRow {
  meter_name: string;
  agent_id?: string;
  customer_id?: string | null;
  day?: string;
  quantity: string;
  event_count: number;
}

const COLUMNS = { agent: "t.agent_id", customer: "t.customer_id", day: "t.day" } as const;

/**
 * Sums usage by meter and the dimensions asked for, from the totals that are kept as events arrive: the cost does not
 * grow with the number of events.
 *
 * @throws {ApiError} `UNPROCESSABLE` when there are more than 10,000 sums.
 */
export async function sumUsage(
  db: Database,
  environmentId: string,
  { agentId, customerId, meterName, periodId, groupBy = [] }: z.output<typeof UsageTotalsQuery>,
  { newId, now }: { newId: () => string; now: Date },
): Promise<UsageTotal[]> {
  const period = periodId ?? (await getCurrentPeriod(db, environmentId, { newId, now })).id;
  const dimensions = [...new Set(groupBy)].map((dimension) => COLUMNS[dimension]);
  const columns = ["m.name", ...dimensions];
  const rows = await db.query<TotalRow>(
    `SELECT ${["m.name AS meter_name", ...dimensions].join(", ")},
       sum(t.quantity)::text AS quantity, sum(t.event_count)::bigint AS event_count
     FROM usage_totals t JOIN meters m ON m.id = t.meter_id
     WHERE t.environment_id = $1 AND t.period_id = $2 AND ($3::uuid IS NULL OR t.agent_id = $3)
       AND ($4::uuid IS NULL OR t.customer_id = $4) AND ($5::text IS NULL OR m.name = $5)
     GROUP BY ${columns.join(", ")} ORDER BY ${columns.join(", ")} LIMIT $6`,
    [
      environmentId,
      uuidParam(period),
      agentId === undefined ? null : uuidParam(agentId),
      customerId === undefined ? null : uuidParam(customerId),
      meterName ?? null,
      MAX_SUMS + 1,
    ],
  );
  if (rows.length > MAX_SUMS) throw tooManySums();
  return rows.map((row) => ({
    meterName: row.meter_name,
    ...(row.agent_id !== undefined && { agentId: row.agent_id }),
    ...(row.customer_id !== undefined && { customerId: row.customer_id }),
    ...(row.day !== undefined && { day: row.day }),
    ...summedQuantity(row.quantity),
    eventCount: row.event_count,
  }));
}

import type { UsageInterval } from "@licentric/contract";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { whole } from "../format.ts";
import { metersQuery, timeseriesQuery, useMoneyAndTime } from "../queries.ts";
import { may, useSession } from "../session.ts";
import { plural } from "../text.ts";
import { Chart, toBars, totalOf } from "./chart.tsx";
import { Choice, Section } from "./page.tsx";
import { Empty, Loaded } from "./states.tsx";

const HOUR = 3_600_000;

/** Ranges of a chart, and their steps. */
const RANGES: Readonly<Record<string, { name: string; interval: UsageInterval; span: number }>> = {
  day: { name: "24 hours", interval: "hour", span: 24 * HOUR },
  week: { name: "7 days", interval: "hour", span: 7 * 24 * HOUR },
  month: { name: "30 days", interval: "day", span: 30 * 24 * HOUR },
  quarter: { name: "90 days", interval: "day", span: 90 * 24 * HOUR },
  year: { name: "12 months", interval: "month", span: 365 * 24 * HOUR },
};

const DEFAULT_RANGE = { name: "30 days", interval: "day", span: 30 * 24 * HOUR } as const;

/** Usage over time, of one meter at a time: units of different meters do not add up. */
export function UsageChart({
  agentId,
  customerId,
  meterName: fixed,
}: {
  readonly agentId?: string;
  readonly customerId?: string;
  readonly meterName?: string;
}) {
  const session = useSession();
  const meters = useQuery({ ...metersQuery(), enabled: may(session, "meters:read") });
  const [chosen, setChosen] = useState<string | undefined>();
  const [range, setRange] = useState("month");
  // The list has the newest first.
  const names = (meters.data ?? []).toReversed();
  const meterName = fixed ?? chosen ?? names[0]?.name;
  const unit = names.find(({ name }) => name === meterName)?.unit ?? "unit";
  return (
    <Section
      title="Usage over time"
      beside={
        <div className="choices">
          {fixed === undefined && names.length > 1 && (
            <Choice
              label="Meter"
              value={meterName ?? ""}
              options={names.map(({ name, displayName }) => [name, displayName])}
              onChange={setChosen}
            />
          )}
          <Choice
            label="Range"
            value={range}
            options={Object.entries(RANGES).map(([key, { name }]) => [key, name])}
            onChange={setRange}
          />
        </div>
      }
    >
      <Loaded query={meters}>
        {() =>
          meterName === undefined ? (
            <Empty title="No meters yet.">Usage is counted by meters.</Empty>
          ) : (
            <Series query={{ agentId, customerId, meterName }} range={range} unit={unit} />
          )
        }
      </Loaded>
    </Section>
  );
}

function Series({
  query,
  range,
  unit,
}: {
  readonly query: Readonly<Record<"agentId" | "customerId" | "meterName", string | undefined>>;
  readonly range: string;
  readonly unit: string;
}) {
  const { timeZone } = useMoneyAndTime();
  const { interval, span, name } = RANGES[range] ?? DEFAULT_RANGE;
  const [to] = useState(() => new Date());
  const from = new Date(to.getTime() - span);
  const asked = useQuery({
    ...timeseriesQuery({ ...query, interval, from: from.toISOString() }),
    placeholderData: keepPreviousData,
    refetchInterval: 15_000,
  });
  const bars = useMemo(
    () => toBars(asked.data ?? [], { interval, from: new Date(to.getTime() - span), to, timeZone }),
    [asked.data, interval, span, to, timeZone],
  );
  return (
    <Loaded query={asked} rows={4}>
      {(totals) => {
        if (totals.length === 0) {
          return (
            <Empty title={`No usage in the last ${name}.`}>
              Each paid call records some. A chart appears with the first one.
            </Empty>
          );
        }
        const total = totalOf(bars);
        const units = total === whole(1) ? unit : plural(2, unit);
        return (
          <>
            <p className="chart-total">
              <span className="big">{total}</span> <bdi className="muted">{units}</bdi>{" "}
              <span className="muted">in the last {name}</span>
            </p>
            <Chart
              label={`Usage in the last ${name}`}
              bars={bars}
              interval={interval}
              timeZone={timeZone}
              unit={units}
            />
          </>
        );
      }}
    </Loaded>
  );
}

import type { Budget } from "@licentric/contract";
import { money, whole } from "../format.ts";
import { MeterName } from "./names.tsx";
import type { Column } from "./table.tsx";
import { Badge, None, Time, type Tone } from "./values.tsx";

const TONES: Readonly<Record<Budget["status"], Tone>> = {
  ok: "good",
  warning: "warn",
  exceeded: "bad",
};
const WINDOWS: Readonly<Record<Budget["window"], string>> = {
  day: "Each day",
  period: "Each period",
  total: "In all",
};

/** The columns of every list of budgets. */
export const BUDGET_COLUMNS: readonly Column<Budget>[] = [
  {
    head: "Limits",
    wide: true,
    cell: ({ meterName }) => (meterName === null ? "Money, for all meters" : <MeterName name={meterName} />),
  },
  { head: "Status", cell: ({ status }) => <Badge tone={TONES[status]}>{status}</Badge> },
  { head: "Used", align: "end", cell: (budget) => <Use budget={budget} /> },
  { head: "Window", cell: ({ window }) => WINDOWS[window] },
  { head: "Over the limit", cell: ({ enforced }) => (enforced ? "Refused" : "Told, not refused") },
  {
    head: "Starts again",
    cell: ({ resetsAt }) => (resetsAt === null ? <None>Never</None> : <Time at={resetsAt} />),
  },
];

/** The limit of a budget in words: an amount of money, or units of its meter. */
export function limitText({ limit, amounts }: Pick<Budget, "limit" | "amounts">): string {
  return amounts === undefined ? whole(limit) : money(amounts.limit, amounts.currency);
}

function Use({ budget }: { readonly budget: Budget }) {
  const { used, limit, amounts, warnAtPercent } = budget;
  const share = limit === 0 ? 100 : Math.min(100, (used / limit) * 100);
  return (
    <span className="use">
      <span className="figure">
        {amounts === undefined ? whole(used) : money(amounts.used, amounts.currency)} of {limitText(budget)}
      </span>
      <meter
        min={0}
        max={100}
        low={warnAtPercent}
        high={99.9}
        optimum={0}
        value={share}
        aria-label="Share of the limit that is used"
      />
    </span>
  );
}

import type { UsageInterval, UsageIntervalTotal } from "@licentric/contract";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { addDecimals, short, whole } from "../format.ts";

/** One interval of a chart, also one in which nothing was used. */
export interface Bar {
  readonly startsAt: number;
  readonly quantity: number;
  /** The same as a decimal text, exact however large. */
  readonly exact: string;
}

/** Adds the intervals without usage, which the API leaves out, and sums what was split. */
export function toBars(
  totals: readonly UsageIntervalTotal[],
  { interval, from, to, timeZone }: { interval: UsageInterval; from: Date; to: Date; timeZone: string },
): Bar[] {
  const known = new Map(totals.map((total) => [Date.parse(total.startsAt), total]));
  const starts = new Set(known.keys());
  const step = interval === "hour" ? 3_600_000 : 86_400_000;
  const label = (at: number) => intervalName(at, interval, timeZone);
  const named = new Set([...starts].map(label));
  for (let at = from.getTime(); at < to.getTime(); at += step) {
    const name = label(at);
    if (!named.has(name)) {
      named.add(name);
      starts.add(at);
    }
  }
  return [...starts]
    .toSorted((a, b) => a - b)
    .map((startsAt) => {
      const total = known.get(startsAt);
      const quantity = total?.quantity ?? 0;
      return { startsAt, quantity, exact: total?.quantityDecimal ?? String(quantity) };
    });
}

/** Name of an interval, in the account's time zone. */
export function intervalName(at: number, interval: UsageInterval, timeZone: string): string {
  const options: Intl.DateTimeFormatOptions =
    interval === "hour"
      ? { weekday: "short", hour: "numeric", minute: "2-digit", timeZone }
      : interval === "day"
        ? { day: "numeric", month: "short", timeZone }
        : { month: "short", year: "numeric", timeZone };
  return new Intl.DateTimeFormat(undefined, options).format(at);
}

interface ChartProps {
  readonly label: string;
  readonly bars: readonly Bar[];
  readonly interval: UsageInterval;
  readonly timeZone: string;
  readonly unit: string;
}

/** Usage over time as bars, with the same figures as a table for who does not see them. */
export function Chart({ label, bars, interval, timeZone, unit }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const shown = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null || bars.length === 0) return;
    const name = (index: number) => intervalName(bars[index]?.startsAt ?? 0, interval, timeZone);
    const draw = () => plot(element, { bars, name, onHover: (text) => setText(shown.current, text), unit });
    let chart = draw();
    const redraw = () => {
      chart.destroy();
      chart = draw();
    };
    const resized = new ResizeObserver(() => chart.setSize(sizeOf(element)));
    const scheme = window.matchMedia("(prefers-color-scheme: dark)");
    resized.observe(element);
    scheme.addEventListener("change", redraw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", redraw);
      chart.destroy();
    };
  }, [bars, interval, timeZone, unit]);
  const used = bars.filter(({ quantity }) => quantity > 0);
  return (
    <figure className="chart" aria-label={label}>
      <p className="chart-value" ref={shown} aria-hidden="true">
        &nbsp;
      </p>
      <div className="chart-place" ref={place} aria-hidden="true" />
      <details className="chart-table">
        <summary>Figures as a table</summary>
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Quantity ({unit})</th>
            </tr>
          </thead>
          <tbody>
            {used.map(({ startsAt, exact }) => (
              <tr key={startsAt}>
                <td>{intervalName(startsAt, interval, timeZone)}</td>
                <td className="figure">{whole(exact)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

function setText(element: HTMLElement | null, text: string) {
  if (element !== null) element.textContent = text === "" ? "\u00A0" : text;
}

const sizeOf = (element: HTMLElement) => ({ width: element.clientWidth, height: element.clientHeight });

function plot(
  element: HTMLElement,
  {
    bars,
    name,
    onHover,
    unit,
  }: {
    readonly bars: readonly Bar[];
    readonly name: (index: number) => string;
    readonly onHover: (text: string) => void;
    readonly unit: string;
  },
): uPlot {
  const style = getComputedStyle(element);
  const colour = (variable: string) => style.getPropertyValue(variable).trim();
  return new uPlot(
    {
      ...sizeOf(element),
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: {
        x: { time: false, range: [-0.6, bars.length - 0.4] },
        y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] },
      },
      axes: axesOf(colour, style.fontFamily, bars.length, name),
      series: [
        {},
        {
          fill: colour("--accent"),
          stroke: colour("--accent"),
          width: 0,
          points: { show: false },
          ...(uPlot.paths.bars && { paths: uPlot.paths.bars({ size: [0.72, 48], radius: 0.15 }) }),
        },
      ],
      hooks: {
        setCursor: [
          ({ cursor: { idx } }) => {
            const bar = idx == null ? undefined : bars[idx];
            onHover(bar === undefined || idx == null ? "" : `${name(idx)}: ${whole(bar.exact)} ${unit}`);
          },
        ],
      },
    },
    [bars.map((_, index) => index), bars.map(({ quantity }) => quantity)],
    element,
  );
}

/** The axes of a chart: as many names below the bars as there is room for, and short numbers beside them. */
function axesOf(
  colour: (variable: string) => string,
  fontFamily: string,
  count: number,
  name: (index: number) => string,
): uPlot.Axis[] {
  const axis = { stroke: colour("--muted"), font: `12px ${fontFamily}`, ticks: { show: false } };
  const splitsOf = ({ width }: uPlot) => {
    const every = Math.max(1, Math.ceil(count / Math.max(2, Math.floor(width / 90))));
    return Array.from({ length: count }, (_, index) => index).filter((index) => index % every === 0);
  };
  return [
    { ...axis, size: 30, grid: { show: false }, splits: splitsOf, values: (_, at) => at.map(name) },
    {
      ...axis,
      size: 52,
      grid: { stroke: colour("--line"), width: 1 },
      values: (_, at) => at.map((value) => (Number.isInteger(value) ? short(value) : "")),
    },
  ];
}

/** The sum of a chart's bars, for its heading. */
export function totalOf(bars: readonly Bar[]): string {
  return whole(addDecimals(bars.map(({ exact }) => exact)));
}

import type { Mode } from "@licentric/contract";
import type { ReactNode } from "react";
import { ago, day, exactMoment, moment, money, sum } from "../format.ts";
import { useMoneyAndTime } from "../queries.ts";
import { visible } from "../text.ts";

/** A name of somebody's, which may hold anything: it keeps its direction to itself, and is cut where it is long. */
export function Name({ children, lines = 1 }: { readonly children: string; readonly lines?: 1 | 2 | 3 }) {
  const text = visible(children);
  return (
    <bdi className={`name lines-${lines}`} title={text}>
      {text}
    </bdi>
  );
}

/** A moment, in the account's time zone; its seconds and the zone are in the title. */
export function Time({ at, relative = false }: { readonly at: string | null; readonly relative?: boolean }) {
  const { timeZone } = useMoneyAndTime();
  if (at === null) return <None />;
  return (
    <time dateTime={at} title={exactMoment(at, timeZone)}>
      {relative ? ago(at) : moment(at, timeZone)}
    </time>
  );
}

/** A day, in the account's time zone. */
export function Day({ at }: { readonly at: string }) {
  const { timeZone } = useMoneyAndTime();
  return <time dateTime={at}>{day(at, timeZone)}</time>;
}

/** An amount of money. */
export function Money({ amount, currency }: { readonly amount: string; readonly currency: string }) {
  return <span className="figure">{money(amount, currency)}</span>;
}

/** A sum of units. */
export function Quantity({
  of,
}: {
  readonly of: { readonly quantity: number; readonly quantityDecimal?: string | undefined };
}) {
  return <span className="figure">{sum(of)}</span>;
}

/** Nothing, said so. */
export function None({ children = "None" }: { readonly children?: string }) {
  return <span className="muted">{children}</span>;
}

/** The tone of a badge. */
export type Tone = "neutral" | "good" | "warn" | "bad" | "accent";

/** A state in a word. */
export function Badge({
  tone = "neutral",
  children,
}: {
  readonly tone?: Tone;
  readonly children: ReactNode;
}) {
  return <span className={`badge ${tone}`}>{children}</span>;
}

/** The mode of a key or of the data that is shown. */
export function ModeBadge({ mode }: { readonly mode: Mode }) {
  return <Badge tone={mode === "live" ? "accent" : "warn"}>{mode === "live" ? "Live" : "Test"}</Badge>;
}

/** A short technical text, such as an id or a key's last characters. */
export function Code({ children }: { readonly children: string }) {
  const text = visible(children);
  return (
    <code className="code" title={text}>
      <bdi>{text}</bdi>
    </code>
  );
}

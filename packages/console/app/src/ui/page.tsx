import { type ReactNode, useEffect } from "react";
import { visible } from "../text.ts";

/** A page: its heading, and what stands below it. The heading is also the name of the tab. */
export function Page({
  title,
  above,
  beside,
  lead,
  children,
}: {
  readonly title: string;
  /** Way back to the list that the page is of. */
  readonly above?: ReactNode;
  /** State or choice that stands beside the heading. */
  readonly beside?: ReactNode;
  readonly lead?: ReactNode;
  readonly children: ReactNode;
}) {
  const shown = visible(title);
  useEffect(() => {
    document.title = `${shown.slice(0, 80)} · Licentric`;
  }, [shown]);
  return (
    <>
      <header className="page-head">
        {above !== undefined && <div className="above">{above}</div>}
        <div className="page-title">
          <h1 title={shown}>
            <bdi>{shown}</bdi>
          </h1>
          {beside}
        </div>
        {lead !== undefined && <p className="lead muted">{lead}</p>}
      </header>
      {children}
    </>
  );
}

/** A part of a page under a heading of its own. */
export function Section({
  title,
  beside,
  children,
}: {
  readonly title: string;
  readonly beside?: ReactNode;
  readonly children: ReactNode;
}) {
  return (
    <section className="section" aria-label={title}>
      <div className="section-head">
        <h2>{title}</h2>
        {beside}
      </div>
      {children}
    </section>
  );
}

/** Facts about one thing, each with what it is. */
export function Facts({ facts }: { readonly facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="facts">
      {facts.map(([what, value]) => (
        <div key={what} className={what === "Id" ? "whole" : undefined}>
          <dt>{what}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Texts that the owner keeps with a thing. */
export function Metadata({ metadata }: { readonly metadata: Readonly<Record<string, string>> }) {
  const entries = Object.entries(metadata);
  if (entries.length === 0) return null;
  return (
    <Section title="Metadata">
      <Facts
        facts={entries.map(([name, value]) => [visible(name), <bdi key={name}>{visible(value)}</bdi>])}
      />
    </Section>
  );
}

/** A choice of a few, by its name. */
export function Choice({
  label,
  value,
  options,
  onChange,
}: {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [string, string])[];
  readonly onChange: (value: string) => void;
}) {
  return (
    <label className="choice">
      <span>{label}</span>
      <select value={value} onChange={({ target }) => onChange(target.value)}>
        {options.map(([one, text]) => (
          <option key={one} value={one}>
            {visible(text)}
          </option>
        ))}
      </select>
    </label>
  );
}

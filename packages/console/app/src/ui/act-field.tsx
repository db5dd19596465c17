import type { BillingPeriod, Customer, Meter } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import type { Field, Option } from "../acts/act.ts";
import { readWhole, type Whole } from "../queries.ts";
import { visible } from "../text.ts";
import { usePeriodDays } from "./period.tsx";
import { Problem } from "./states.tsx";

interface FieldProps {
  readonly field: Field;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

/** One field of a question, with its name and what is to be known about it. */
export function ActField(props: FieldProps) {
  switch (props.field.kind) {
    case "check":
      return <Check {...props} />;
    case "choice":
      return <Select {...props} options={props.field.options ?? []} />;
    case "customer":
      return <CustomerSelect {...props} />;
    case "meter":
      return <MeterSelect {...props} />;
    case "period":
      return <PeriodSelect {...props} />;
    default:
      return <Input {...props} />;
  }
}

const INPUTS = {
  text: { type: "text" },
  email: { type: "email" },
  url: { type: "url", pattern: "https?://.+", title: "An address that begins with https:// or http://" },
  whole: { type: "number", step: 1, inputMode: "numeric" },
  decimal: {
    type: "text",
    inputMode: "decimal",
    pattern: "\\d{1,15}(\\.\\d{1,12})?",
    title: "A number such as 0.0025, with a point and up to 12 decimals",
  },
} as const;

function Input({ field, value, onChange }: FieldProps) {
  const id = useId();
  const { kind, label, hint, required, least = 0 } = field;
  const common = {
    value,
    required,
    id,
    "aria-describedby": hint === undefined ? undefined : `${id}-hint`,
    autoComplete: "off",
  };
  return (
    <div className="act-field">
      <Label id={id} field={field}>
        {label}
      </Label>
      {kind === "lines" ? (
        <textarea {...common} rows={4} spellCheck={false} onChange={({ target }) => onChange(target.value)} />
      ) : (
        <input
          {...common}
          {...INPUTS[kind as keyof typeof INPUTS]}
          {...(kind === "whole" ? { min: least } : {})}
          onChange={({ target }) => onChange(target.value)}
        />
      )}
      <Hint id={id} hint={hint} />
    </div>
  );
}

function Label({
  id,
  field,
  children,
}: {
  readonly id: string;
  readonly field: Field;
  readonly children: string;
}) {
  const optional = field.required !== true && field.kind !== "choice" && field.options === undefined;
  return (
    <label htmlFor={id}>
      {children}
      {optional && <span className="muted"> (optional)</span>}
    </label>
  );
}

function Hint({ id, hint }: { readonly id: string; readonly hint: string | undefined }) {
  if (hint === undefined) return null;
  return (
    <p className="muted small" id={`${id}-hint`}>
      {hint}
    </p>
  );
}

function Check({ field: { label, hint }, value, onChange }: FieldProps) {
  const id = useId();
  return (
    <div className="act-field">
      <label className="act-check">
        <input
          type="checkbox"
          checked={value === "on"}
          aria-describedby={hint === undefined ? undefined : `${id}-hint`}
          onChange={({ target }) => onChange(target.checked ? "on" : "")}
        />
        <span>{label}</span>
      </label>
      <Hint id={id} hint={hint} />
    </div>
  );
}

function Select({ field, value, onChange, options }: FieldProps & { readonly options: readonly Option[] }) {
  const id = useId();
  const { label, hint, required } = field;
  return (
    <div className="act-field">
      <Label id={id} field={field}>
        {label}
      </Label>
      <select
        id={id}
        value={value}
        required={required}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onChange={({ target }) => onChange(target.value)}
      >
        {options.map(([one, text]) => (
          <option key={one} value={one}>
            {visible(text)}
          </option>
        ))}
      </select>
      <Hint id={id} hint={hint} />
    </div>
  );
}

/** A choice among what the API lists: empty until it is there, and what went wrong where it does not come. */
function ListedSelect<Row>({
  path,
  query,
  optionOf,
  ...props
}: FieldProps & {
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly optionOf: (row: Row) => Option;
}) {
  const { data, error } = useQuery(readWhole<Row>(path, query));
  const { options: before = [["", "Choose one"]], hint } = props.field;
  if (error !== null) return <Problem error={error} />;
  const rows: Whole<Row> = data ?? { rows: [], goesOn: false };
  const loading: readonly Option[] = data === undefined ? [[props.value, "Loading…"]] : [];
  const told = rows.goesOn ? "The 1,000 newest can be chosen here." : undefined;
  return (
    <Select
      {...props}
      field={{ ...props.field, hint: hint ?? told }}
      options={data === undefined ? loading : [...before, ...rows.rows.map(optionOf)]}
    />
  );
}

function CustomerSelect(props: FieldProps) {
  return (
    <ListedSelect<Customer> {...props} path="/api/v1/customers" optionOf={({ id, name }) => [id, name]} />
  );
}

function MeterSelect(props: FieldProps) {
  return (
    <ListedSelect<Meter>
      {...props}
      path="/api/v1/meters"
      optionOf={({ name, displayName, unit }) => [name, `${displayName} (${unit})`]}
    />
  );
}

function PeriodSelect(props: FieldProps) {
  const daysOf = usePeriodDays();
  return (
    <ListedSelect<BillingPeriod>
      {...props}
      path="/api/v1/billing/periods"
      query={{ status: "open" }}
      optionOf={(period) => [period.id, `${daysOf(period).month}, ${daysOf(period).days}`]}
    />
  );
}

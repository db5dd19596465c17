import type {
  BillingPeriod,
  Invoice,
  InvoicingOutcome,
  InvoicingResult,
  UninvoicedUsage,
} from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { day, whole } from "../format.ts";
import { readWhole } from "../queries.ts";
import { plural, visible } from "../text.ts";
import { sums } from "../ui/costs.tsx";
import { Loading, Problem } from "../ui/states.tsx";
import type { Act, Field, Send, Values } from "./act.ts";

/** A period with its month and days in words. */
interface NamedPeriod {
  readonly period: BillingPeriod;
  readonly month: string;
  /** IANA name of the time zone that its days are in. */
  readonly timeZone: string;
}

const pathOf = (periodId: string) => `/api/v1/billing/periods/${encodeURIComponent(periodId)}`;

/** Closes a period, early where it is not over. */
export function closePeriod({ period, month, timeZone }: NamedPeriod): Act {
  const over = Date.parse(period.endsAt) <= Date.now();
  return {
    name: "Close",
    of: month,
    title: `Close ${month}`,
    scope: "billing:write",
    confirm: `Close ${month}`,
    grave: !over,
    says: (
      <>
        {!over && (
          <p>
            <strong>It is not over.</strong> Closed now, it ends now, and the rest of the month until{" "}
            {day(new Date(Date.parse(period.endsAt) - 1), timeZone)} is a period of its own.
          </p>
        )}
        <p>
          It takes no more usage and no more adjustments, and its totals are fixed. Nobody is invoiced by that
          alone.
        </p>
        <p>It cannot be opened again.</p>
      </>
    ),
    perform: (_, send) => send("POST", `${pathOf(period.id)}/close`),
    done: `${month} is closed.`,
  };
}

const charged = ({ collection }: Values) => collection === "charge_automatically";

/** The terms of invoices; those that Stripe alone keeps are asked for where it is connected. */
export function termFields(stripe: boolean): readonly Field[] {
  const memo: Field = {
    name: "memo",
    label: "Memo",
    kind: "text",
    hint: "Stands on Stripe's invoice and on this page.",
  };
  if (!stripe) return [{ ...memo, hint: "Kept with the invoice." }];
  return [
    {
      name: "collection",
      label: "How it is paid",
      kind: "choice",
      options: [
        ["send_invoice", "The payer is sent it, and pays by a day"],
        ["charge_automatically", "Stripe charges the payer's payment method"],
      ],
    },
    {
      name: "daysUntilDue",
      label: "Days to pay it",
      kind: "whole",
      least: 1,
      initial: "30",
      required: true,
      when: (values) => !charged(values),
    },
    {
      name: "automaticTax",
      label: "Let Stripe Tax add tax",
      kind: "check",
      hint: "Each payer needs an address with a country.",
    },
    memo,
  ];
}

function termsOf(values: Values): object {
  const { collection, daysUntilDue, automaticTax, memo } = values;
  return {
    ...(collection ? { collection } : {}),
    ...(daysUntilDue && !charged(values) ? { daysUntilDue: Number(daysUntilDue) } : {}),
    ...(automaticTax ? { automaticTax: true } : {}),
    ...(memo ? { memo } : {}),
  };
}

/** Makes the invoices of all payers of a closed period. */
export function invoiceAll(
  { period, month }: NamedPeriod,
  stripe: boolean,
): Act<readonly InvoicingOutcome[]> {
  return {
    name: "Invoice all",
    of: `payers of ${month}`,
    title: `Invoice all payers of ${month}`,
    scope: "billing:write",
    confirm: "Make the invoices",
    says: (
      <>
        <Pending periodId={period.id} />
        <p>
          {stripe
            ? "Each goes to Stripe and is final there. Stripe mails nothing by itself: pass on the link that stands on the invoice, or send it from Stripe."
            : "Stripe is not connected: they are computed and kept here, and you send them yourself."}
        </p>
        <p>A payer who has an invoice already gets no second one.</p>
      </>
    ),
    fields: termFields(stripe),
    perform: (values, send) => invoiceEverybody(period.id, termsOf(values), send),
    done: toldOf,
    outcome: (outcomes) => <Failures outcomes={outcomes} />,
  };
}

/** Goes on until every payer was tried: one request has time for some. */
async function invoiceEverybody(periodId: string, terms: object, send: Send): Promise<InvoicingOutcome[]> {
  const outcomes: InvoicingOutcome[] = [];
  let cursor: string | null = null;
  do {
    const body: object = cursor === null ? terms : { ...terms, cursor };
    const { data }: { data: InvoicingResult } = await send("POST", `${pathOf(periodId)}/invoices`, body);
    outcomes.push(...data.outcomes);
    cursor = data.nextCursor;
  } while (cursor !== null);
  return outcomes;
}

const isFailed = (outcome: InvoicingOutcome) => outcome.status === "failed";

function toldOf(outcomes: readonly InvoicingOutcome[]): string {
  const failed = outcomes.filter(isFailed).length;
  const made = outcomes.length - failed;
  if (outcomes.length === 0) return "Nobody used anything: there is nothing to invoice.";
  const stand = `${whole(made)} ${plural(made, "invoice")} ${made === 1 ? "stands" : "stand"}.`;
  return failed === 0 ? stand : `${stand} ${whole(failed)} could not be made.`;
}

function Failures({ outcomes }: { readonly outcomes: readonly InvoicingOutcome[] }) {
  const failed = outcomes.filter(isFailed);
  if (failed.length === 0) return null;
  return (
    <>
      <p>Do what is said of each, and invoice all again: it goes on where it stopped.</p>
      <ul className="plain-list">
        {failed.map(({ customerId, name, error }) => (
          <li key={customerId}>
            <strong>
              <bdi>{visible(name)}</bdi>
            </strong>
            : {visible(error)}
          </li>
        ))}
      </ul>
    </>
  );
}

function Pending({ periodId }: { readonly periodId: string }) {
  const { data, error } = useQuery(readWhole<UninvoicedUsage>("/api/v1/billing/uninvoiced", { periodId }));
  if (error !== null) return <Problem error={error} />;
  if (data === undefined) return <Loading rows={1} />;
  const { rows, goesOn } = data;
  const count = `${whole(rows.length)}${goesOn ? " or more" : ""} ${plural(rows.length, "payer")}`;
  return (
    <p>
      {rows.length === 0 ? (
        "No payer owes anything that is not on an invoice."
      ) : (
        <>
          Makes the invoices of <strong>{count}</strong>, of <strong>{sums(rows, goesOn)}</strong> in all,
          without tax.
        </>
      )}
    </p>
  );
}

/** Makes the invoice of one payer of a closed period. */
export function invoiceOne(
  { periodId, customerId, name, total, currency }: UninvoicedUsage,
  month: string,
  stripe: boolean,
): Act<{ data: Invoice }> {
  return {
    name: "Invoice",
    of: name,
    title: `Invoice ${visible(name)}`,
    scope: "billing:write",
    confirm: "Make the invoice",
    says: (
      <p>
        Makes the invoice of {month}, of <strong>{sums([{ total, currency }], false)}</strong> without tax.
        {stripe && " It goes to Stripe and is final there."}
      </p>
    ),
    fields: termFields(stripe),
    perform: (values, send) =>
      send("POST", `${pathOf(periodId)}/invoice`, {
        ...termsOf(values),
        ...(customerId === null ? {} : { customerId }),
      }),
    done: `The invoice of ${visible(name)} stands.`,
  };
}

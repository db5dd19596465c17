import type { CreditNote, Invoice } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { createCreditNote, issueInvoice, linkInvoice, payInvoice, voidInvoice } from "../acts/invoices.tsx";
import { addDecimals, money } from "../format.ts";
import { invoiceQuery, useList } from "../queries.ts";
import { visible } from "../text.ts";
import { Acts } from "../ui/acts.tsx";
import { DocumentButton } from "../ui/document-button.tsx";
import { InvoiceLines } from "../ui/invoice-lines.tsx";
import { InvoiceBadge } from "../ui/invoice-table.tsx";
import { List } from "../ui/list-page.tsx";
import { PayerName, PeriodName } from "../ui/names.tsx";
import { Facts, Metadata, Page, Section } from "../ui/page.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Badge, Code, Money, Name, None, Time, type Tone } from "../ui/values.tsx";

const route = getRouteApi("/invoices/$invoiceId");

/** One invoice: its lines, where it stands, and what was taken back of it. */
export default function InvoicePage() {
  const { invoiceId } = route.useParams();
  const query = useQuery(invoiceQuery(invoiceId));
  return (
    <Loaded
      query={query}
      frame={(content) => (
        <Page title="Invoice" above={<Link to="/invoices">Invoices</Link>}>
          {content}
        </Page>
      )}
    >
      {(invoice) => (
        <Page
          title={`${invoice.number ?? "Invoice"} of ${money(invoice.total, invoice.currency)}`}
          above={<Link to="/invoices">Invoices</Link>}
          beside={
            <>
              <InvoiceBadge status={invoice.status} />
              <Acts
                acts={[
                  issueInvoice(invoice),
                  payInvoice(invoice),
                  linkInvoice(invoice),
                  createCreditNote(invoice),
                  voidInvoice(invoice),
                ]}
              >
                <DocumentButton invoiceId={invoice.id} name={`invoice-${invoice.id}.html`} />
              </Acts>
            </>
          }
        >
          <Facts
            facts={[
              ["Payer", <PayerName key="payer" id={invoice.customerId} />],
              ["Period", <PeriodName key="period" id={invoice.periodId} />],
              ["Created", <Time key="created" at={invoice.createdAt} />],
              ...issuedFacts(invoice),
              ["In Stripe", <StripeLink key="stripe" invoice={invoice} />],
              [
                "Memo",
                invoice.memo ? (
                  <Name key="memo" lines={3}>
                    {invoice.memo}
                  </Name>
                ) : (
                  <None key="none" />
                ),
              ],
              ["Id", <Code key="id">{invoice.id}</Code>],
            ]}
          />
          {invoice.notice !== undefined && <p className="notice">{visible(invoice.notice)}</p>}
          <Lines invoice={invoice} />
          <CreditNotes invoice={invoice} />
          <Metadata metadata={invoice.metadata} />
        </Page>
      )}
    </Loaded>
  );
}

/** What an invoice has once it is issued here. */
function issuedFacts({ number, issuedAt, dueAt, paidAt, paymentReference }: Invoice) {
  if (number == null) return [];
  const facts: [string, ReactNode][] = [
    ["Issued", <Time key="issued" at={issuedAt ?? null} />],
    ["Due", <Time key="due" at={dueAt ?? null} />],
    ["Paid", paidAt == null ? <None key="paid">Not yet</None> : <Time key="paid" at={paidAt} />],
  ];
  if (paymentReference != null) facts.push(["Paid by", <Name key="reference">{paymentReference}</Name>]);
  return facts;
}

function StripeLink({ invoice }: { readonly invoice: Invoice }) {
  const url = invoice.stripeConfigured ? invoice.hostedInvoiceUrl : null;
  if (url === null || !url.startsWith("https://"))
    return <None>{invoice.stripeConfigured ? "Not yet" : "No"}</None>;
  return (
    <a href={url} target="_blank" rel="noreferrer">
      Open it there
    </a>
  );
}

function Lines({ invoice }: { readonly invoice: Invoice }) {
  return (
    <Section title="Lines">
      {invoice.lines.length === 0 && invoice.minimum === undefined ? (
        <Empty title="There is nothing on it: the payer used nothing." />
      ) : (
        <InvoiceLines label="Lines of the invoice" of={invoice} />
      )}
    </Section>
  );
}

const TONES: Readonly<Record<CreditNote["status"], Tone>> = {
  pending: "warn",
  issued: "good",
  refused: "bad",
};
const REASONS: Readonly<Record<string, string>> = {
  duplicate: "Duplicate",
  fraudulent: "Fraud",
  order_change: "Order changed",
  product_unsatisfactory: "Not as it should be",
};

function CreditNotes({ invoice: { id, currency } }: { readonly invoice: Invoice }) {
  const query = useList<CreditNote>(`/api/v1/billing/invoices/${encodeURIComponent(id)}/credit-notes`, {
    limit: 100,
  });
  const notes = query.data?.data ?? [];
  const credited = notes.filter(({ status }) => status !== "refused").map(({ amount }) => amount);
  return (
    <Section title="Credit notes">
      <List
        query={query}
        label="Credit notes of this invoice"
        rowKey={(note) => note.id}
        columns={[
          {
            head: "Amount",
            align: "end",
            cell: ({ amount }) => <Money amount={amount} currency={currency} />,
          },
          { head: "Status", cell: ({ status }) => <Badge tone={TONES[status]}>{status}</Badge> },
          {
            head: "Reason",
            cell: ({ reason }) => (reason === null ? <None /> : (REASONS[reason] ?? visible(reason))),
          },
          {
            head: "Memo",
            wide: true,
            cell: ({ memo }) => (memo === null ? <None /> : <Name lines={2}>{memo}</Name>),
          },
          { head: "Created", cell: ({ createdAt }) => <Time at={createdAt} /> },
        ]}
        empty={<Empty title="Nothing was taken back." />}
      />
      {credited.length > 0 && (
        <p className="sum">
          <span>Taken back</span> <Money amount={addDecimals(credited)} currency={currency} />
        </p>
      )}
    </Section>
  );
}

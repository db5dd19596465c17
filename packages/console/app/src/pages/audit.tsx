import type { AuditEvent, ManagementKey } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { Listed } from "../api.ts";
import { OPERATION_WORDS } from "../operation-words.ts";
import { read, useList } from "../queries.ts";
import { may, useSession } from "../session.ts";
import { visible } from "../text.ts";
import { List } from "../ui/list-page.tsx";
import { AgentName, PayerName, PeriodName } from "../ui/names.tsx";
import { Page } from "../ui/page.tsx";
import { Empty } from "../ui/states.tsx";
import { Code, Name, None, Time } from "../ui/values.tsx";

const route = getRouteApi("/audit");

/** All changes, newest first. */
export default function Audit() {
  const search = route.useSearch();
  const query = useList<AuditEvent>("/api/v1/audit-events", { cursor: search.cursor });
  return (
    <Page
      title="Audit log"
      lead="Every change to the account's resources. Usage is not in it: events are their own record."
    >
      <List
        query={query}
        label="Audit log"
        search={search}
        rowKey={({ id }) => id}
        columns={[
          { head: "When", cell: ({ createdAt }) => <Time at={createdAt} /> },
          { head: "Change", cell: ({ operation }) => operationText(operation) },
          { head: "Of", cell: (event) => <Subject event={event} /> },
          { head: "By", cell: (event) => <Actor event={event} /> },
          {
            head: "Request",
            cell: ({ requestId }) => (requestId === null ? <None /> : <Code>{requestId}</Code>),
          },
        ]}
        empty={
          <Empty title="Nothing was changed yet.">
            Each change with a key appears here, with who made it.
          </Empty>
        }
      />
    </Page>
  );
}

/** A change in words; one that is newer than this page keeps the API's name. */
function operationText(operation: string) {
  return OPERATION_WORDS[operation] ?? <Code>{operation}</Code>;
}

/** Subjects of changes that have neither a name nor a page of their own. */
const KINDS: Readonly<Record<string, string>> = {
  mcp: "An agent's token",
  credentials: "An agent's token",
  budgets: "A budget",
  usage: "Usage",
  console: "A one-time link",
  account: "The account",
  accounts: "The account",
};

/** Calls of an invoice's own. */
const INVOICE_CALLS = new Set([
  "createInvoice",
  "issueInvoice",
  "payInvoice",
  "createInvoiceLink",
  "voidInvoice",
  "createCreditNote",
]);

/** Subject of a change, by name where it has a page. */
function Subject({ event: { operation, resourceIds } }: { readonly event: AuditEvent }) {
  const session = useSession();
  const [first = ""] = resourceIds;
  const [resource = "", call] = operation.split(".");
  if (resource === "agents") return <AgentName id={first} />;
  if (resource === "customers" || resource === "customer") return <PayerName id={first} />;
  if (resource === "keys") return <KeyName id={first} />;
  if (resource === "webhooks") return <Link to="/webhooks">A webhook</Link>;
  if (resource === "meters") {
    return (
      <Link to="/meters/$meterId" params={{ meterId: first }}>
        The meter
      </Link>
    );
  }
  const ofPeriod = call === "closePeriod" || call === "createInvoices";
  if (ofPeriod && may(session, "billing:read")) return <PeriodName id={first} />;
  // Of createInvoice, the period comes first.
  const invoiceId = call === "createInvoice" ? resourceIds[1] : first;
  const ofInvoice = resource === "invoice" || INVOICE_CALLS.has(call ?? "");
  if (ofInvoice && invoiceId !== undefined) {
    return (
      <Link to="/invoices/$invoiceId" params={{ invoiceId }}>
        The invoice
      </Link>
    );
  }
  return <None>{KINDS[resource] ?? "Not named"}</None>;
}

const ACTORS: Readonly<Record<string, string>> = {
  cli: "The command line, in the database",
  program: "A program on the server",
  stripe: "Stripe",
  system: "The server itself",
};

function Actor({ event: { actor, keyId } }: { readonly event: AuditEvent }) {
  if (keyId !== null) return <KeyName id={keyId} />;
  return ACTORS[actor] ?? visible(actor);
}

/** The name of a key, among the hundred newest. */
function KeyName({ id }: { readonly id: string }) {
  const session = useSession();
  const { data } = useQuery({
    ...read<Listed<ManagementKey>>("/api/v1/keys?limit=100"),
    enabled: may(session, "keys:read"),
  });
  const key = data?.data.find((one) => one.id === id);
  if (key === undefined) return <None>A key</None>;
  return <Name>{key.name ?? `Key …${key.hint}`}</Name>;
}

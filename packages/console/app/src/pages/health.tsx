import type { Customer, Webhook } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ApiError, type Listed } from "../api.ts";
import { accountQuery, type Readiness, read, readinessQuery } from "../queries.ts";
import { may, useSession } from "../session.ts";
import { Page } from "../ui/page.tsx";
import { Loading } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { Badge, type Tone } from "../ui/values.tsx";

interface Check {
  readonly name: string;
  readonly tone: Tone;
  readonly state: string;
  readonly what: ReactNode;
}

/** Milliseconds of difference from which the server closes no period by itself, and from which it is worth a word. */
const MOST_SKEW = 300_000;
const NOTABLE_SKEW = 30_000;

/** Checks of all that the server needs, with what to do where one fails. */
export default function Health() {
  const session = useSession();
  const ready = useQuery({ ...readinessQuery(), refetchInterval: 10_000 });
  const webhooks = useQuery({
    ...read<Listed<Webhook>>("/api/v1/webhooks?limit=100"),
    enabled: may(session, "webhooks:read"),
  });
  const customers = useQuery({
    ...read<Listed<Customer>>("/api/v1/customers?limit=100"),
    enabled: may(session, "customers:read"),
  });
  const account = useQuery(accountQuery());
  const payers = [...(account.data ? [account.data] : []), ...(customers.data?.data ?? [])];
  const checks = [
    serverCheck(ready.data, ready.error),
    ...(ready.data ? [clockCheck(ready.data.clockSkew), stripeCheck(ready.data.stripe, session.mode)] : []),
    ...(webhooks.data ? [webhookCheck(webhooks.data.data)] : []),
    ...(customers.data ? [payerCheck(payers.map(({ stripeStatus }) => stripeStatus))] : []),
  ];
  return (
    <Page
      title="Health"
      lead="It is asked again every ten seconds. More is checked on the server's machine by npx licentric doctor."
    >
      {ready.isPending ? (
        <Loading />
      ) : (
        <Table
          label="Checks"
          rows={checks}
          rowKey={({ name }) => name}
          columns={[
            { head: "Part", cell: ({ name }) => name },
            { head: "State", cell: ({ tone, state }) => <Badge tone={tone}>{state}</Badge> },
            { head: "What it means", wide: true, cell: ({ what }) => what },
          ]}
        />
      )}
    </Page>
  );
}

function serverCheck(data: Readiness | undefined, error: Error | null): Check {
  const name = "Server and database";
  if (error === null && data !== undefined) {
    return {
      name,
      tone: "good",
      state: "Ready",
      what: "A call that is verified now is answered and recorded.",
    };
  }
  // A proxy may keep this one to those who run the server.
  if (error instanceof ApiError && error.status !== null && error.status !== 503) {
    const what = `/readyz is answered with ${error.status}: the proxy before the server keeps it to itself.`;
    return { name, tone: "neutral", state: "Not known", what };
  }
  const what = "The server cannot do what a verify needs. Look at its log, at the database and at its disk.";
  return { name, tone: "bad", state: "Not ready", what };
}

function clockCheck(skew: number): Check {
  const name = "Clock";
  const seconds = Math.round(Math.abs(skew) / 1_000);
  const what = `The server's clock is ${seconds} s ${skew < 0 ? "behind" : "ahead of"} its database's.`;
  if (Math.abs(skew) > MOST_SKEW) {
    return {
      name,
      tone: "bad",
      state: "Wrong",
      what: `${what} No period is closed by itself. Set it by NTP.`,
    };
  }
  if (Math.abs(skew) > NOTABLE_SKEW)
    return { name, tone: "warn", state: "Off", what: `${what} Set it by NTP.` };
  return { name, tone: "good", state: "Right", what: "The server and its database have the same time." };
}

function stripeCheck(stripe: Readiness["stripe"], mode: string): Check {
  const name = "Stripe";
  if (stripe === null) {
    const what = "Invoices are computed and not sent. Set STRIPE_API_KEY to have them sent.";
    return { name, tone: "neutral", state: "Not connected", what };
  }
  if (stripe !== mode) {
    const what = `It is connected for ${stripe} data. Invoices of ${mode} data are computed and not sent.`;
    return { name, tone: "neutral", state: `Connected for ${stripe}`, what };
  }
  return { name, tone: "good", state: "Connected", what: "Invoices are sent by it." };
}

function webhookCheck(webhooks: readonly Webhook[]): Check {
  const name = "Webhooks";
  const off = webhooks.filter(({ enabled, disabledReason }) => !enabled && disabledReason != null).length;
  const failing = webhooks.filter(({ enabled, failingSince }) => enabled && failingSince != null).length;
  if (off > 0) {
    const what = `${off} of ${webhooks.length} were switched off because they fail. Mend them, and switch them on again.`;
    return { name, tone: "bad", state: "Switched off", what };
  }
  if (failing > 0) {
    return {
      name,
      tone: "warn",
      state: "Failing",
      what: `${failing} of ${webhooks.length} do not take what is sent.`,
    };
  }
  const all = webhooks.length === 1 ? "It takes what is sent." : `All ${webhooks.length} take what is sent.`;
  const what = webhooks.length === 0 ? "There are none." : all;
  return { name, tone: "good", state: "Well", what };
}

function payerCheck(statuses: readonly (Customer["stripeStatus"] | undefined)[]): Check {
  const name = "Payers in Stripe";
  const missing = statuses.filter((status) => status === "missing").length;
  const pending = statuses.filter((status) => status === "pending").length;
  const among = "Of your account and the 100 newest customers,";
  if (missing > 0) {
    const what = `${among} ${missing} name a Stripe customer that Stripe does not have: they cannot be invoiced.`;
    return { name, tone: "bad", state: "Missing", what };
  }
  if (pending > 0) {
    const what = `${among} ${pending} have a change that Stripe is told before their next invoice.`;
    return { name, tone: "warn", state: "Pending", what };
  }
  return { name, tone: "good", state: "In step", what: `${among} none is missing in Stripe.` };
}

import type { Account } from "@licentric/contract";
import { useQuery } from "@tanstack/react-query";
import { editAccount, editBilling, editPaymentInstructions } from "../acts/account.tsx";
import { accountQuery } from "../queries.ts";
import { useSession } from "../session.ts";
import { Acts } from "../ui/acts.tsx";
import { Facts, Page, Section } from "../ui/page.tsx";
import { payerFacts } from "../ui/payer-facts.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { StripeBadge } from "../ui/stripe-badge.tsx";
import { Code, Name, Time } from "../ui/values.tsx";

/** The account: as seller and payer on invoices, and how it bills. */
export default function Settings() {
  const query = useQuery(accountQuery());
  const { mode } = useSession();
  return (
    <Page title="Settings" lead={`The account for ${mode} data. The other mode has settings of its own.`}>
      <Loaded query={query}>
        {(account) => (
          <>
            <Identity account={account} />
            <Billing account={account} />
            <Payment account={account} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Identity({ account }: { readonly account: Account }) {
  return (
    <Section
      title="On invoices"
      beside={
        <>
          <StripeBadge status={account.stripeStatus} />
          <Acts acts={[editAccount(account)]} />
        </>
      }
    >
      <Facts
        facts={[
          ["Name", <Name key="name">{account.name}</Name>],
          ...payerFacts(account),
          ["Account since", <Time key="since" at={account.createdAt} />],
          ["Id", <Code key="id">{account.id}</Code>],
        ]}
      />
    </Section>
  );
}

function Billing({ account }: { readonly account: Account }) {
  return (
    <Section title="Currency and time zone" beside={<Acts acts={[editBilling(account)]} />}>
      <Facts
        facts={[
          ["Prices and invoices are in", account.currency.toUpperCase()],
          ["Months are months in", account.timeZone],
        ]}
      />
    </Section>
  );
}

function Payment({ account }: { readonly account: Account }) {
  const text = account.paymentInstructions;
  return (
    <Section title="How to pay" beside={<Acts acts={[editPaymentInstructions(account)]} />}>
      {text == null ? (
        <Empty title="Nothing stands on invoices that you issue yourself.">
          <p>With Stripe, payers pay by Stripe's page. Without it, say where to transfer the money.</p>
        </Empty>
      ) : (
        <Lines text={text} />
      )}
    </Section>
  );
}

/** A text as it was written, line by line. */
function Lines({ text }: { readonly text: string }) {
  return (
    <div className="stack">
      {text.split(/\r?\n/).map((line, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: lines may be equal, and are replaced all at once.
        <Name key={index} lines={2}>
          {line}
        </Name>
      ))}
    </div>
  );
}

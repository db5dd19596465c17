import type { Account } from "@licentric/contract";
import type { Act } from "./act.ts";
import { payerChange, payerFields } from "./payer-fields.ts";

const PATH = "/api/v1/account";

/** Changes what stands on invoices of the account: as their seller, and as the payer of agents without a customer. */
export function editAccount(account: Account): Act {
  return {
    name: "Edit",
    of: "the account",
    title: "Edit the account",
    scope: "account:write",
    confirm: "Save",
    says: (
      <p>
        It stands on invoices that you issue, and on your own for agents of no customer
        {account.stripeCustomerId !== null && "; it is changed in Stripe, too"}. Invoices that are made stay
        as they are.
      </p>
    ),
    fields: payerFields(account),
    perform: (values, send) => send("PATCH", PATH, payerChange(values)),
    done: "The account is changed.",
  };
}

/** Changes how invoices are paid that are issued without Stripe. */
export function editPaymentInstructions({ paymentInstructions }: Account): Act {
  return {
    name: "Say how to pay",
    title: "How to pay",
    scope: "account:write",
    confirm: "Save",
    says: <p>It stands on invoices that you issue without Stripe, as long as they are open.</p>,
    fields: [
      {
        name: "text",
        label: "How to pay",
        kind: "lines",
        initial: paymentInstructions ?? "",
        hint: "An account to transfer to, for example. Left empty: nothing.",
      },
    ],
    perform: ({ text }, send) => send("PATCH", PATH, { paymentInstructions: text?.trim() || null }),
    done: "What stands on invoices is changed.",
  };
}

/** Changes the currency of prices, and the time zone of months. */
export function editBilling({ currency, timeZone }: Account): Act {
  return {
    name: "Change",
    of: "currency and time zone",
    title: "Currency and time zone",
    scope: "account:write",
    confirm: "Save",
    says: (
      <p>It counts from the next period on: one that has begun keeps its own. Prices keep their figures.</p>
    ),
    fields: [
      {
        name: "currency",
        label: "Currency",
        kind: "text",
        required: true,
        initial: currency.toUpperCase(),
        hint: "Three letters: EUR, USD, for example.",
      },
      {
        name: "timeZone",
        label: "Time zone",
        kind: "text",
        required: true,
        initial: timeZone,
        hint: "By its place: Europe/Berlin, for example.",
      },
    ],
    perform: ({ currency: code = "", timeZone: zone }, send) =>
      send("PATCH", PATH, { currency: code.trim().toLowerCase(), timeZone: zone?.trim() }),
    done: "It counts from the next period on.",
  };
}

import type { Customer, CustomerDiscount, CustomerMinimum } from "@licentric/contract";
import { visible } from "../text.ts";
import type { Act, Field } from "./act.ts";

const pathOf = (customer: Customer) => `/api/v1/customers/${encodeURIComponent(customer.id)}`;

const PERIODS: Field = {
  name: "periods",
  label: "Months",
  kind: "whole",
  least: 1,
  hint: "How many it counts for. Left empty: until another takes over.",
};

const counted = ({ periods }: Readonly<Record<string, string>>) =>
  periods ? { periods: Number(periods) } : {};

/** Agrees on a discount of a customer's invoices. */
export function setDiscount(customer: Customer, currency: string): Act {
  return {
    name: "Set discount",
    title: `A discount for ${visible(customer.name)}`,
    scope: "billing:write",
    confirm: "Agree on the discount",
    says: <p>It counts from the month that runs on, and takes over from the discount before, for good.</p>,
    fields: [
      {
        name: "model",
        label: "Taken off",
        kind: "choice",
        options: [
          ["percent", "Per cent of the lines"],
          ["amount", "An amount in each month"],
        ],
      },
      {
        name: "percent",
        label: "Per cent",
        kind: "decimal",
        required: true,
        when: ({ model }) => model !== "amount",
      },
      {
        name: "amount",
        label: `Amount in ${currency.toUpperCase()}`,
        kind: "decimal",
        required: true,
        when: ({ model }) => model === "amount",
      },
      { name: "reason", label: "Reason", kind: "text", required: true, hint: "It stands on the invoice." },
      PERIODS,
    ],
    perform: ({ model, percent, amount, reason, ...values }, send) =>
      send("POST", `${pathOf(customer)}/discounts`, {
        discount: model === "amount" ? { model, amount } : { model: "percent", percent },
        reason,
        ...counted(values),
      }),
    done: "The discount is agreed.",
  };
}

/** Ends a customer's discount. */
export function endDiscount(customer: Customer, last: CustomerDiscount | undefined): Act | false {
  if (last === undefined || last.discount === null) return false;
  return {
    name: "End discount",
    title: `End the discount of ${visible(customer.name)}`,
    scope: "billing:write",
    confirm: "End the discount",
    grave: true,
    says: (
      <p>The invoice of the month that runs has none any more. Invoices that are made stay as they are.</p>
    ),
    perform: (_, send) => send("POST", `${pathOf(customer)}/discounts`, { discount: null }),
    done: "The discount is ended.",
  };
}

/** Agrees on the least that a customer's invoice comes to. */
export function setMinimum(customer: Customer, currency: string): Act {
  return {
    name: "Set minimum",
    title: `A minimum for ${visible(customer.name)}`,
    scope: "billing:write",
    confirm: "Agree on the minimum",
    says: (
      <p>
        Each invoice comes to this at least, with usage or without, from the next month on. It takes over from
        the minimum before, for good.
      </p>
    ),
    fields: [
      { name: "minimum", label: `Minimum in ${currency.toUpperCase()}`, kind: "decimal", required: true },
      PERIODS,
    ],
    perform: ({ minimum, ...values }, send) =>
      send("POST", `${pathOf(customer)}/minimums`, { minimum, ...counted(values) }),
    done: "The minimum is agreed.",
  };
}

/** Ends a customer's minimum. */
export function endMinimum(customer: Customer, last: CustomerMinimum | undefined): Act | false {
  if (last === undefined || last.minimum === null) return false;
  return {
    name: "End minimum",
    title: `End the minimum of ${visible(customer.name)}`,
    scope: "billing:write",
    confirm: "End the minimum",
    grave: true,
    says: <p>From the next month on there is none. The month that runs is invoiced as it was agreed.</p>,
    perform: (_, send) => send("POST", `${pathOf(customer)}/minimums`, { minimum: null }),
    done: "The minimum is ended.",
  };
}

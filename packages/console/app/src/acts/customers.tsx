import type { Customer } from "@licentric/contract";
import { Link } from "@tanstack/react-router";
import { visible } from "../text.ts";
import type { Act } from "./act.ts";
import { payerChange, payerFields } from "./payer-fields.ts";

/** Creates a customer. */
export function createCustomer(): Act<{ data: Customer }> {
  return {
    name: "Create customer",
    title: "Create a customer",
    scope: "customers:write",
    says: <p>It pays for the agents that you give it. Until then it owes nothing.</p>,
    fields: [
      { name: "name", label: "Name", kind: "text", required: true },
      {
        name: "email",
        label: "E-mail",
        kind: "email",
        hint: "Stripe sends no invoice to a payer without one.",
      },
    ],
    perform: ({ name, email }, send) =>
      send("POST", "/api/v1/customers", { name, ...(email ? { email } : {}) }),
    done: ({ data }) => `${visible(data.name)} is created.`,
    outcome: ({ data }) => (
      <p>
        <Link to="/customers/$customerId" params={{ customerId: data.id }}>
          Go to its page
        </Link>
      </p>
    ),
  };
}

/** Changes what stands on a customer's invoices. */
export function editCustomer(customer: Customer): Act {
  return {
    name: "Edit",
    of: customer.name,
    title: "Edit the customer",
    scope: "customers:write",
    confirm: "Save",
    says: (
      <p>
        {customer.stripeCustomerId === null
          ? "The next invoice is made out to it so."
          : "It is changed in Stripe, too. Invoices that are made stay as they are."}
      </p>
    ),
    fields: payerFields(customer),
    perform: (values, send) =>
      send("PATCH", `/api/v1/customers/${encodeURIComponent(customer.id)}`, payerChange(values)),
    done: "The customer is changed.",
  };
}

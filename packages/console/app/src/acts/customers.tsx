import type { Customer } from "@licentric/contract";
import { Link } from "@tanstack/react-router";
import { visible } from "../text.ts";
import type { Act, Field } from "./act.ts";

const fieldsOf = (customer?: Customer): readonly Field[] => [
  { name: "name", label: "Name", kind: "text", required: true, initial: customer?.name },
  {
    name: "email",
    label: "E-mail",
    kind: "email",
    initial: customer?.email ?? "",
    hint: "Stripe sends no invoice to a payer without one.",
  },
];

/** Creates a customer. */
export function createCustomer(): Act<{ data: Customer }> {
  return {
    name: "Create customer",
    title: "Create a customer",
    scope: "customers:write",
    says: <p>It pays for the agents that you give it. Until then it owes nothing.</p>,
    fields: fieldsOf(),
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

/** Changes a customer's name and e-mail address. */
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
    fields: fieldsOf(customer),
    perform: ({ name, email }, send) =>
      send("PATCH", `/api/v1/customers/${encodeURIComponent(customer.id)}`, { name, email: email || null }),
    done: "The customer is changed.",
  };
}

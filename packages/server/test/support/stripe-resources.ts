import { createItem, itemsOf, linesOf, withTotal } from "./stripe-lines.ts";
import {
  allOf,
  allow,
  find,
  mergedMetadata,
  metadataOf,
  nested,
  type Params,
  referTo,
  type StripeObject,
  type StripeStore,
} from "./stripe-objects.ts";
import { LARGEST_AMOUNT, LEAST_CHARGE, noSuch, STRIPE_RULES as RULES, refusalOf } from "./stripe-rules.ts";

/** Answers one call. The ids are those of the path, in their order. */
export type Handler = (ids: readonly [string, string], params: Params, store: StripeStore) => object;

/** The members of a customer that a form sets: an empty text takes one away. */
function customerMembers(params: Params): object {
  const { name, email } = params;
  if (email !== undefined && email !== "" && !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(email)) {
    throw refusalOf(RULES.email);
  }
  const lines = Object.entries(nested(params, "address")).map(([line, text]) => [line, text || null]);
  return {
    ...(name !== undefined && { name: name || null }),
    ...(email !== undefined && { email: email || null }),
    ...(params["address"] === "" && { address: null }),
    ...(lines.length > 0 && { address: Object.fromEntries(lines) }),
  };
}

function addTaxId(store: StripeStore, customer: string, params: Params): StripeObject {
  const { type, value = "" } = params;
  if (type === "eu_vat" && !/^[A-Z]{2}\w{2,12}$/.test(value)) throw refusalOf(RULES.taxId);
  return store.create("tax_id", "txi", {}, { type, value, customer });
}

const taxIdsOf = (store: StripeStore, customer: string) =>
  allOf(store, "tax_id")
    .filter((one) => one["customer"] === customer)
    .reverse();

function finalize(store: StripeStore, invoice: StripeObject, params: Params): StripeObject {
  allow(invoice, ["draft"]);
  const { total, currency, customer } = withTotal(store, invoice);
  if (total > LARGEST_AMOUNT) throw refusalOf(RULES.largestTotal);
  if (invoice["automatic_tax"]?.enabled && !store.objects.get(customer)?.["address"]?.country) {
    throw refusalOf(RULES.taxLocation);
  }
  const carried = total < (LEAST_CHARGE[currency] ?? 0);
  if (carried) {
    const payer = find(store, customer, "customer");
    payer["balance"] = (payer["balance"] ?? 0) + total;
  }
  return Object.assign(invoice, {
    status: carried ? "paid" : "open",
    status_transitions: { finalized_at: store.now() },
    auto_advance: params["auto_advance"] === "true",
    hosted_invoice_url: `https://invoice.stripe.com/i/${invoice.id}`,
  });
}

/** How an invoice is collected; what a form leaves out stays as it was. `days_until_due` is no member of Stripe's own. */
function collectionMembers(payer: StripeObject, params: Params, before: Partial<StripeObject>): object {
  const collection_method =
    params["collection_method"] ?? before["collection_method"] ?? "charge_automatically";
  const given = params["days_until_due"];
  if (collection_method !== "send_invoice") {
    if (given !== undefined) throw refusalOf(RULES.daysUntilDue);
    return { collection_method, days_until_due: null, due_date: null };
  }
  if (!payer["email"]) throw refusalOf(RULES.emailForSending);
  const days_until_due = given === undefined ? (before["days_until_due"] ?? null) : Number(given);
  if (days_until_due === null) throw refusalOf(RULES.dueDateForSending);
  const due_date = Number(before.created) + days_until_due * 86_400;
  return { collection_method, days_until_due, due_date };
}

function createInvoice(store: StripeStore, params: Params): StripeObject {
  const { customer = "" } = params;
  const payer = referTo(store, customer, "customer");
  return store.create("invoice", "in", params, {
    metadata: metadataOf(params),
    customer,
    currency: params["currency"],
    status: "draft",
    subtotal: 0,
    total: 0,
    pre_payment_credit_notes_amount: 0,
    post_payment_credit_notes_amount: 0,
    auto_advance: params["auto_advance"] === "true",
    ...collectionMembers(payer, params, { created: store.now() }),
    description: params["description"] ?? null,
    automatic_tax: { enabled: params["automatic_tax[enabled]"] === "true" },
    status_transitions: { finalized_at: null },
    hosted_invoice_url: null,
  });
}

function updateInvoice(store: StripeStore, invoice: StripeObject, params: Params): StripeObject {
  allow(invoice, ["draft"]);
  const payer = find(store, invoice["customer"], "customer");
  const tax = params["automatic_tax[enabled]"];
  const unspecified = itemsOf(store, invoice.id).some((item) => item["tax_behavior"] === "unspecified");
  if (tax === "true" && unspecified) throw refusalOf(RULES.taxBehavior);
  const { description } = params;
  return Object.assign(
    invoice,
    collectionMembers(payer, params, invoice),
    mergedMetadata(invoice, params),
    description !== undefined && { description: description || null },
    tax !== undefined && { automatic_tax: { enabled: tax === "true" } },
  );
}

/** As much of Stripe as an invoice needs. */
export const HANDLERS: Readonly<Record<string, Handler>> = {
  "POST /v1/customers": (_, params, store) => {
    const made = store.create("customer", "cus", params, {
      metadata: metadataOf(params),
      name: null,
      email: null,
      address: null,
      balance: 0,
      ...customerMembers(params),
    });
    if (params["tax_id_data[0][type]"] !== undefined) {
      addTaxId(store, made.id, {
        type: params["tax_id_data[0][type]"],
        value: params["tax_id_data[0][value]"] ?? "",
      });
    }
    return made;
  },
  "GET /v1/customers": (_, params, store) => list(allOf(store, "customer"), params),
  "GET /v1/customers/:id": ([id], params, store) => {
    const found = store.objects.get(id);
    if (found?.["deleted"] === true) return { id, object: "customer", deleted: true };
    const customer = find(store, id, "customer");
    return Object.values(nested(params, "expand")).includes("tax_ids")
      ? { ...customer, tax_ids: { object: "list", data: taxIdsOf(store, id), has_more: false } }
      : customer;
  },
  "POST /v1/customers/:id": ([id], params, store) => {
    const customer = find(store, id, "customer");
    return Object.assign(customer, customerMembers(params), mergedMetadata(customer, params));
  },
  "DELETE /v1/customers/:id": ([id], _, store) => {
    Object.assign(find(store, id, "customer"), { deleted: true });
    return { id, object: "customer", deleted: true };
  },
  "POST /v1/customers/:id/tax_ids": ([id], params, store) =>
    addTaxId(store, find(store, id, "customer").id, params),
  "DELETE /v1/customers/:id/tax_ids/:id": ([, id], _, store) => {
    find(store, id, "tax_id");
    store.objects.delete(id);
    return { id, object: "tax_id", deleted: true };
  },
  "POST /v1/invoices": (_, params, store) => createInvoice(store, params),
  "GET /v1/invoices": (_, params, store) => {
    // Unverified: that a list refuses a customer that there is not, as whatever else refers to one does.
    const { customer = "" } = params;
    if (store.objects.get(customer)?.object !== "customer") throw noSuch("customer", customer, 400);
    return list(
      allOf(store, "invoice").filter((one) => one["customer"] === customer),
      params,
    );
  },
  "GET /v1/invoices/:id/lines": ([id], params, store) =>
    list(linesOf(store, find(store, id, "invoice").id), params, "oldest"),
  "GET /v1/invoices/:id": ([id], _, store) => withTotal(store, find(store, id, "invoice")),
  "POST /v1/invoices/:id": ([id], params, store) => updateInvoice(store, find(store, id, "invoice"), params),
  "DELETE /v1/invoices/:id": ([id], _, store) => {
    allow(find(store, id, "invoice"), ["draft"]);
    for (const item of itemsOf(store, id)) store.objects.delete(item.id);
    store.objects.delete(id);
    return { id, object: "invoice", deleted: true };
  },
  "POST /v1/invoices/:id/finalize": ([id], params, store) =>
    finalize(store, find(store, id, "invoice"), params),
  "POST /v1/invoices/:id/void": ([id], _, store) => {
    const invoice = find(store, id, "invoice");
    allow(invoice, ["open", "uncollectible"]);
    return Object.assign(invoice, { status: "void" });
  },
  "POST /v1/invoiceitems": (_, params, store) => createItem(store, params),
  "GET /v1/invoiceitems": (_, params, store) => list(itemsOf(store, params["invoice"] ?? ""), params),
  "POST /v1/credit_notes": (_, params, store) => {
    const invoice = withTotal(store, referTo(store, params["invoice"] ?? "", "invoice"));
    allow(invoice, ["open", "paid", "uncollectible"]);
    const amount = Number(params["amount"]);
    const before = allOf(store, "credit_note").filter((note) => note["invoice"] === invoice.id);
    const credited = before.reduce((sum, note) => sum + note["amount"], amount);
    if (credited > invoice["total"])
      throw refusalOf({ ...RULES.draftsOnly, message: "The credit note is more than the invoice." });
    const when = invoice["status"] === "paid" ? "post_payment" : "pre_payment";
    Object.assign(invoice, { [`${when}_credit_notes_amount`]: credited });
    return store.create("credit_note", "cn", params, {
      ...params,
      metadata: metadataOf(params),
      invoice: invoice.id,
      amount,
    });
  },
  "GET /v1/credit_notes": (_, params, store) =>
    list(
      allOf(store, "credit_note").filter((note) => note["invoice"] === params["invoice"]),
      params,
    ),
  "GET /v1/events": (_, params, store) => {
    const types = Object.values(nested(params, "types"));
    // "An array of up to 20 strings containing specific event names" (https://docs.stripe.com/api/events/list).
    if (types.length > 20) throw refusalOf(RULES.mostEventTypes);
    return list(
      allOf(store, "event").filter((one) => types.length === 0 || types.includes(one["type"])),
      params,
    );
  },
};

/** A page of a list, which begins with the newest; the lines of an invoice are in their own order. */
function list(found: StripeObject[], params: Params, first: "newest" | "oldest" = "newest") {
  const since = Number(params["created[gte]"] ?? 0);
  const newestFirst = () =>
    found
      .filter((one) => one.created >= since)
      .reverse()
      .sort((one, other) => other.created - one.created);
  const all = first === "oldest" ? found : newestFirst();
  const after = params["starting_after"];
  const from = after === undefined ? 0 : all.findIndex((one) => one.id === after) + 1;
  const limit = Number(params["limit"] ?? 10);
  return {
    object: "list",
    url: "/v1",
    data: all.slice(from, from + limit),
    has_more: all.length > from + limit,
  };
}

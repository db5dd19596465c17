import type { TestApi } from "../../../server/test/support/api.ts";

/** Ids of what was made, by the page that shows it. */
export interface Seeded {
  readonly customerId: string;
  readonly agentId: string;
  readonly meterId: string;
  readonly periodId: string;
  readonly invoiceId: string;
  /** One that has a number, or the same where there is no other. */
  readonly issuedInvoiceId: string;
}

/** Number of everything, and names. */
export interface Amount {
  readonly customers: number;
  readonly eventsPerAgent: number;
  /** Name of the nth thing of a kind. */
  readonly name: (kind: string, index: number) => string;
}

/** Makes an account with a month that is invoiced and one that runs, in the API itself. */
export async function seed(
  api: TestApi,
  key: string,
  { customers, eventsPerAgent, name }: Amount,
): Promise<Seeded> {
  const post = async (path: string, body: object = {}) => {
    const answer = await api.call("POST", `/api/v1${path}`, { token: key, body });
    if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    return answer.body.data;
  };
  const get = async (path: string) => (await api.call("GET", `/api/v1${path}`, { token: key })).body.data;

  api.setTime("2026-10-15T10:00:00.000Z");
  const [calls] = await get("/meters?name=api_calls");
  await post(`/meters/${calls.id}/prices`, { price: { model: "per_unit", unitPrice: "0.0025" } });
  const meter = await post("/meters", {
    name: "pages",
    displayName: name("Meter", 0),
    unit: "page",
    metadata: { note: name("Note", 0) },
    price: {
      model: "graduated",
      tiers: [
        { upTo: 1_000, unitPrice: "0.05" },
        { upTo: 10_000, unitPrice: "0.04", flatPrice: "10" },
        { upTo: null, unitPrice: "0.025" },
      ],
      includedQuantity: 100,
      minimumAmount: "5",
    },
  });
  const agents: string[] = [];
  const payers: string[] = [];
  for (let index = 0; index < customers; index += 1) {
    const customer = await post("/customers", {
      name: name("Customer", index),
      email: `books${index}@example.com`,
      metadata: { note: name("Note", index) },
    });
    payers.push(customer.id);
    const agent = await post("/agents", {
      name: name("Agent", index),
      customerId: customer.id,
      metadata: { note: name("Note", index) },
    });
    agents.push(agent.id);
  }
  const record = async (days: readonly string[]) => {
    for (const [which, agentId] of agents.entries()) {
      const events = Array.from({ length: eventsPerAgent }, (_, index) => ({
        agentId,
        meterName: index % 3 === 2 ? "pages" : "api_calls",
        quantity: 20 + ((index * 7 + which) % 40),
        timestamp: days[index % days.length],
        metadata: { tool: name("Tool", index) },
      }));
      for (let from = 0; from < events.length; from += 1_000) {
        await post("/usage/events", { events: events.slice(from, from + 1_000) });
      }
    }
  };
  await record(["2026-10-03T08:00:00.000Z", "2026-10-11T12:00:00.000Z", "2026-10-15T09:00:00.000Z"]);
  const past = await get("/billing/periods/current");
  api.setTime(null);
  await post(`/billing/periods/${past.id}/close`);
  const made = await post(`/billing/periods/${past.id}/invoices`, { memo: name("Memo", 0) });
  const invoiceId: string = made.outcomes[0].invoice.id;
  await post(`/billing/invoices/${invoiceId}/credit-notes`, {
    amount: "0.01",
    reason: "order_change",
    memo: name("Memo", 1),
  });
  const issuedInvoiceId: string = made.outcomes.at(-1).invoice.id;
  if (issuedInvoiceId !== invoiceId) await post(`/billing/invoices/${issuedInvoiceId}/issue`);
  if (payers[0] !== undefined) {
    const discount = { model: "percent", percent: "10" };
    await post(`/customers/${payers[0]}/discounts`, { discount, reason: name("Reason", 0), periods: 3 });
    await post(`/customers/${payers[0]}/minimums`, { minimum: "25" });
  }
  const now = Date.now();
  await record(
    Array.from({ length: 25 }, (_, day) => new Date(now - day * 86_400_000 - 60_000).toISOString()),
  );
  const [agentId = ""] = agents;
  for (const token of ["deploy", name("Token", 0)]) {
    await post("/mcp/authorize", { agentId, scopes: ["mcp:invoke"], name: token, expiresIn: 86_400 });
  }
  await post("/budgets", { agentId, meterName: "api_calls", limit: 1_000, enforced: true });
  await post("/budgets", { agentId, meterName: "pages", limit: 5, window: "day" });
  await post("/webhooks", {
    url: "https://example.com/hooks/licentric",
    events: ["invoice.paid", "budget.exceeded"],
  });
  await post("/keys", { name: name("Key", 0), scopes: ["usage:read", "billing:read"] });
  return {
    customerId: payers[0] ?? "",
    agentId,
    meterId: meter.id,
    periodId: past.id,
    invoiceId,
    issuedInvoiceId,
  };
}

/** Addresses of all pages, by their names. */
export function addressesOf(seeded: Seeded | null): readonly (readonly [string, string])[] {
  const lists = [
    ["overview", "/"],
    ["customers", "/customers"],
    ["agents", "/agents"],
    ["meters", "/meters"],
    ["events", "/events"],
    ["periods", "/periods"],
    ["invoices", "/invoices"],
    ["webhooks", "/webhooks"],
    ["keys", "/keys"],
    ["audit", "/audit"],
    ["health", "/health"],
  ] as const;
  if (seeded === null) return lists;
  return [
    ...lists,
    ["customer", `/customers/${seeded.customerId}`],
    ["agent", `/agents/${seeded.agentId}`],
    ["meter", `/meters/${seeded.meterId}`],
    ["period", `/periods/${seeded.periodId}`],
    ["invoice", `/invoices/${seeded.invoiceId}`],
    ["issued invoice", `/invoices/${seeded.issuedInvoiceId}`],
  ];
}

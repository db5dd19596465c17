import type { TestApi } from "./api.ts";

/** The meter of {@link billedAccount}: 0.10 a unit. */
export const METER = "api_calls";

/** An account with a customer, an agent of his and one of nobody, and what is done with them. */
export async function billedAccount(api: TestApi) {
  const account = await api.createAccount();
  const { key } = account;
  const call = (method: "GET" | "POST", path: string, body?: object, headers?: Record<string, string>) =>
    api.call(method, `/api/v1/${path}`, {
      token: key,
      ...(body && { body }),
      ...(headers && { headers }),
    });
  const get = async (path: string) => (await call("GET", path)).body.data;
  const make = async (path: string, body: object = {}) => {
    const answer = await call("POST", path, body);
    if (answer.status >= 300) throw new Error(`${path} answered ${answer.status}: ${answer.body.error}`);
    return answer.body.data;
  };
  const [meter] = await get(`meters?name=${METER}`);
  await make(`meters/${meter.id}/prices`, { price: { model: "per_unit", unitPrice: "0.10" } });
  const customer: string = (await make("customers", { name: "Acme", email: "pay@acme.example" })).id;
  const agentId: string = (await make("agents", { name: "a", customerId: customer })).id;
  const own: string = (await make("agents", { name: "own" })).id;
  const use = async (agent: string, quantity: number, meterName = METER) => {
    const { results } = await make("usage/events", { events: [{ agentId: agent, meterName, quantity }] });
    return results[0].event;
  };
  const adjust = (agent: string, quantity: number, more: object = {}) =>
    call("POST", "billing/adjustments", {
      agentId: agent,
      meterName: METER,
      quantity,
      reason: "a fault of ours",
      ...more,
    });
  const refund = (eventId: string, reason = "an empty answer") =>
    call("POST", `usage/events/${eventId}/refund`, { reason });
  const invoicesOf = async (periodId: string) =>
    (await make(`billing/periods/${periodId}/invoices`)).outcomes.map(
      ({ invoice }: { invoice: object }) => invoice,
    );
  const check = (periodId: string) => get(`billing/periods/${periodId}/check`);
  return { account, key, call, get, make, customer, agentId, own, use, adjust, refund, invoicesOf, check };
}

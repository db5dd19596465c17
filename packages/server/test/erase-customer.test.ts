import { v7 as uuidv7 } from "uuid";
import { expect, it } from "vitest";
import { eraseCustomer } from "../src/customers/erase-customer.ts";
import { closeCurrentPeriod, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

const making = () => ({ newId: () => uuidv7(), now: new Date(), actor: "cli" }) as const;

/** Every row of every table, as text, but for those of a table that is left out. */
async function everything({ db }: TestApi, leftOut = ""): Promise<string> {
  const tables = await db.query<{ name: string }>(
    `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`,
  );
  const texts = tables.map(async ({ name }) => {
    if (name === leftOut) return "";
    const rows = await db.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`);
    return rows.map(({ row }) => row).join("\n");
  });
  return (await Promise.all(texts)).join("\n");
}

describeOnEachDatabase("erasing a customer on $name", (database) => {
  it("leaves nothing of the person in any table, and the books as they were", async () => {
    const api = await startTestApi(database, { logLevel: "silent" });
    try {
      const { key } = await api.createAccount();
      const post = async (path: string, body: object) => {
        const answer = await api.call("POST", `/api/v1${path}`, { token: key, body });
        if (answer.status >= 300) throw new Error(`${path} answered ${answer.status}`);
        return answer.body.data;
      };
      const person = "Canary";
      const note = { metadata: { note: person } };
      const { id } = await post("/customers", {
        name: person,
        email: "canary@person.example",
        address: { line1: `${person} Street 1`, city: person, country: "DE" },
        taxId: { type: "eu_vat", value: `DE-${person}` },
        ...note,
      });
      const other = await post("/customers", { name: "Somebody Else" });
      const agent = await post("/agents", { name: `${person}'s agent`, customerId: id, ...note });
      const { token } = await post("/mcp/authorize", {
        agentId: agent.id,
        scopes: ["mcp:invoke"],
        name: person,
      });
      const event = { agentId: agent.id, meterName: "api_calls", quantity: 3, ...note };
      await post("/usage/events", { events: [event] });

      // Its usage stands on no invoice yet, so nothing is changed.
      // Requests are counted in the background.
      const before = await everything(api, "rate_limits");
      const refused = await eraseCustomer(api.db, id, making());
      expect(refused).toMatchObject({ outcome: "not-invoiced", periodIds: [expect.any(String)] });
      expect(await everything(api, "rate_limits")).toBe(before);

      const periodId = await closeCurrentPeriod(api, key);
      const invoice = await post(`/billing/periods/${periodId}/invoice`, { customerId: id });
      await post(`/billing/invoices/${invoice.id}/issue`, {});
      const totals = async () =>
        (await api.call("GET", `/api/v1/usage/totals?periodId=${periodId}&groupBy=customer`, { token: key }))
          .body;
      const totalsBefore = await totals();
      expect(await eraseCustomer(api.db, id, making())).toEqual({
        outcome: "erased",
        customerId: id,
        stripeCustomerId: null,
        agents: 1,
        events: 1,
      });
      expect(await everything(api)).not.toMatch(/canary/i);
      expect(await everything(api)).toContain("Somebody Else");
      expect((await api.call("GET", `/api/v1/customers/${other.id}`, { token: key })).status).toBe(200);

      expect(await totals()).toEqual(totalsBefore);
      const after = await api.call("GET", `/api/v1/billing/invoices/${invoice.id}`, { token: key });
      expect(after.body.data).toMatchObject({ total: invoice.total, lines: invoice.lines, customerId: id });
      const check = await api.call("GET", `/api/v1/billing/periods/${periodId}/check`, { token: key });
      expect(check.body.data.differences).toEqual([]);
      const verified = await api.call("POST", "/api/v1/mcp/verify", { token, body: {} });
      expect(verified.status).toBe(401);
      const audited = await api.call("GET", `/api/v1/audit-events?resourceId=${id}`, { token: key });
      expect(audited.body.data[0]).toMatchObject({ operation: "customers.erase", actor: "cli" });

      // Again, and of nobody.
      expect(await eraseCustomer(api.db, id, making())).toMatchObject({ outcome: "erased", events: 0 });
      expect(await eraseCustomer(api.db, "nobody", making())).toEqual({ outcome: "not-found" });
    } finally {
      await api.close();
    }
  }, 60_000);
});

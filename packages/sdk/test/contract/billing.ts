import { describe, expect, it } from "vitest";
import { type AgentCost, ConflictError, type CostPreview, type UninvoicedUsage } from "../../src/index.ts";
import { errorOf } from "../client-for.ts";
import { type ContractContext, unique } from "./context.ts";

/** Periods and invoices. Closing the account's period changes what other tests see, so it comes last. */
export function describeBilling(api: ContractContext): void {
  describe("a period", () => {
    it("is closed and invoiced, once", async () => {
      const { name: meterName } = await api.client.meters.create({
        name: unique("billed"),
        price: { model: "per_unit", unitPrice: "0.25" },
      });
      const { token } = await api.newToken();
      await api.client.mcp.verify(token, { meterName, quantity: 10 });

      const open = await api.client.billing.getCurrentPeriod();
      expect(open).toMatchObject({ status: "open", closedAt: null });
      expect((await api.client.billing.listPeriods({ status: "open" })).data.map(({ id }) => id)).toContain(
        open.id,
      );
      expect(await errorOf(api.client.billing.createInvoice(open.id))).toBeInstanceOf(ConflictError);

      const progress: unknown[] = [];
      const waitForFlush = { onProgress: (now: unknown) => progress.push(now) };
      const closed = await api.client.billing.closePeriod(open.id, { waitForFlush });
      expect(progress).toEqual([]);
      expect(closed).toMatchObject({ id: open.id, status: "closed" });
      expect(closed.totals).toContainEqual({ meterName, quantity: 10, eventCount: 1 });
      expect(await api.client.billing.closePeriod(open.id)).toEqual(closed);
      expect(await api.client.billing.getPeriod(open.id)).toEqual(closed);

      const invoice = await api.client.billing.createInvoice(open.id, { metadata: { run: "1" } });
      expect(invoice).toMatchObject({
        stripeConfigured: false,
        periodId: open.id,
        status: "computed",
        currency: "usd",
      });
      expect(invoice.totalUsage).toMatchObject({ [meterName]: 10 });
      expect(invoice.lines?.find((line) => line.meterName === meterName)).toMatchObject({
        quantity: 10,
        unitPrice: "0.25",
        amount: "2.50",
        amountMinor: 250,
      });
      expect((await api.client.billing.createInvoice(open.id)).id).toBe(invoice.id);
      expect(await api.client.billing.getInvoice(invoice.id ?? "")).toEqual(invoice);
      expect((await api.client.billing.listInvoices({ periodId: open.id })).data.map(({ id }) => id)).toEqual(
        [invoice.id],
      );

      expect(await api.client.billing.voidInvoice(invoice.id ?? "")).toMatchObject({
        id: invoice.id,
        status: "void",
      });
      const again = await api.client.billing.createInvoice(open.id, {});
      expect(again.id).not.toBe(invoice.id);
      const againId = again.id ?? "";
      expect(await errorOf(api.client.billing.payInvoice(againId, { reference: "early" }))).toBeInstanceOf(
        ConflictError,
      );
      expect(await errorOf(api.client.billing.createInvoiceLink(againId))).toBeInstanceOf(ConflictError);
      const issued = await api.client.billing.issueInvoice(againId, { daysUntilDue: 14 });
      expect(issued).toMatchObject({
        id: againId,
        status: "open",
        number: expect.stringMatching(/^TEST-\d{4}$/),
      });
      expect(issued.dueAt).toBeDefined();
      expect(await api.client.billing.issueInvoice(againId)).toMatchObject({ number: issued.number });
      const { path, expiresAt } = await api.client.billing.createInvoiceLink(againId, { expiresIn: 3_600 });
      expect(path).toMatch(new RegExp(`^/invoices/${againId}\\?.*signature=`));
      expect(new Date(expiresAt).getTime()).toBeGreaterThan(Date.now());
      expect(await api.client.billing.payInvoice(againId, { reference: "transfer 1" })).toMatchObject({
        status: "paid",
        paymentReference: "transfer 1",
        paidAt: expect.any(String),
      });
      const note = await api.client.billing.createCreditNote(again.id ?? "", {
        amount: "0.50",
        memo: "sorry",
      });
      expect(note).toMatchObject({ invoiceId: again.id, amount: "0.50", amountMinor: 50, memo: "sorry" });
      expect((await api.client.billing.listCreditNotes(again.id ?? "")).data).toEqual([note]);
    });

    it("is invoiced to all of its payers, once, and its books are proved", async () => {
      const { client } = api;
      const { name: meterName } = await client.meters.create({
        name: unique("shared"),
        price: { model: "per_unit", unitPrice: "0.25" },
      });
      const customer = await client.customers.create({ name: unique("Payer") });
      for (const [customerId, quantity] of [
        [customer.id, 8],
        [undefined, 2],
      ] as const) {
        const agent = await client.agents.create({
          name: unique("agent"),
          ...(customerId && { customerId }),
        });
        await client.usage.record({ agentId: agent.id, meterName, quantity });
      }
      const { id: periodId } = await client.billing.getCurrentPeriod();
      const costs: CostPreview[] = [];
      for await (const each of client.billing.preview({ limit: 1 })) costs.push(each);
      expect(costs).toMatchObject([
        { periodId, customerId: customer.id, name: customer.name, invoiceId: null, total: "2.00" },
        { periodId, customerId: null, lines: [{ meterName, quantity: 2, amount: "0.50" }] },
      ]);
      const ofAgents: AgentCost[] = [];
      for await (const each of client.billing.previewAgents({ periodId, limit: 1 })) ofAgents.push(each);
      expect(ofAgents).toMatchObject([
        { customerId: customer.id, meterName, used: "8", adjusted: "0", cost: "2", currency: "usd" },
        { customerId: null, meterName, used: "2", cost: "0.5", agentName: expect.stringContaining("agent") },
      ]);
      await client.billing.closePeriod(periodId);
      const pending: UninvoicedUsage[] = [];
      for await (const each of client.billing.listUninvoiced({ periodId, limit: 1 })) pending.push(each);
      expect(pending).toMatchObject([
        { periodId, customerId: customer.id, name: customer.name, totalUsage: { [meterName]: 8 } },
        { periodId, customerId: null, totalUsage: { [meterName]: 2 } },
      ]);

      const { invoiced, failed } = await client.billing.createInvoices(periodId, { metadata: { run: "2" } });
      expect(failed).toEqual([]);
      expect(invoiced.map(({ name, invoice }) => [name, invoice.customerId, invoice.total])).toEqual([
        [customer.name, customer.id, "2.00"],
        [pending[1]?.name, null, "0.50"],
      ]);
      expect(await client.billing.createInvoices(periodId)).toEqual({ periodId, invoiced, failed });
      expect((await client.billing.listUninvoiced({ periodId })).data).toEqual([]);
      expect(await client.billing.checkPeriod(periodId)).toEqual({
        periodId,
        invoices: 2,
        archivedEvents: 0,
        differences: [],
      });
    });
  });
}

import { describe, expect, it } from "vitest";
import { ConflictError, NotFoundError } from "../../src/index.ts";
import { errorOf } from "../client-for.ts";
import { type ContractContext, unique } from "./context.ts";

/** Meters and what is counted on them. */
export function describeUsage(api: ContractContext): void {
  describe("meters", () => {
    it("are created, found by name, read and renamed, and have prices", async () => {
      const name = unique("pages");
      const meter = await api.client.meters.create({
        name,
        unit: "page",
        price: { model: "per_unit", unitPrice: "0.0025" },
      });
      expect(meter).toMatchObject({
        name,
        displayName: name,
        unit: "page",
        price: { unitPrice: "0.0025" },
      });
      expect((await api.client.meters.list({ name })).data).toEqual([meter]);
      expect(await api.client.meters.update(meter.id, { displayName: "Pages" })).toMatchObject({
        name,
        displayName: "Pages",
      });

      const { startsAt } = await api.client.billing.getCurrentPeriod();
      const set = await api.client.meters.setPrice(meter.id, {
        price: { model: "package", packageSize: 100, packagePrice: "1" },
        effectiveFrom: startsAt,
      });
      expect(set).toMatchObject({ meterId: meter.id, price: { model: "package", packageSize: 100 } });
      expect((await api.client.meters.listPrices(meter.id)).data.map(({ id }) => id)).toContain(set.id);
      expect(await api.client.meters.get(meter.id)).toMatchObject({ id: meter.id, displayName: "Pages" });
    });

    it("have prices of a customer's own, beside everybody's", async () => {
      const { client } = api;
      const everybodys = { model: "per_unit", unitPrice: "0.50" } as const;
      const { id, name } = await client.meters.create({ name: unique("priced"), price: everybodys });
      const { id: customerId } = await client.customers.create({ name: unique("Customer") });
      const { startsAt: effectiveFrom } = await client.billing.getCurrentPeriod();
      const price = { model: "per_unit", unitPrice: "0.30" } as const;
      const own = await client.meters.setPrice(id, { price, customerId, effectiveFrom });
      expect(own).toMatchObject({ meterId: id, customerId, price });
      expect((await client.meters.listPrices(id, { customerId })).data).toEqual([own]);
      expect((await client.meters.listPrices(id)).data).toHaveLength(2);
      const shown = async (params: { customerId?: string }) =>
        (await client.meters.list({ name, ...params })).data.map((meter) => [meter.price, meter.ownPrice]);
      expect(await shown({ customerId })).toEqual([[price, true]]);
      expect(await shown({})).toEqual([[everybodys, undefined]]);
      expect(await shown({ customerId: "0198a1f2-7c3e-7d8a-9b61-0f6c2d4e8a10" })).toEqual([]);

      await client.meters.setPrice(id, { price: null, customerId, effectiveFrom });
      expect(await shown({ customerId })).toEqual([[everybodys, undefined]]);
      expect(await errorOf(client.meters.setPrice(id, { price: null }))).toMatchObject({
        name: "ValidationError",
        issues: [{ path: "price" }],
      });
      const nobody = { price, customerId: "0198a1f2-7c3e-7d8a-9b61-0f6c2d4e8a10" };
      expect(await errorOf(client.meters.setPrice(id, nobody))).toBeInstanceOf(NotFoundError);
    });

    it("are billed with a customer's discount and minimum, which take over from those before", async () => {
      const { client } = api;
      const { id } = await client.customers.create({ name: unique("Customer") });
      const percent = { model: "percent", percent: "12.5" } as const;
      const first = await client.customers.setDiscount(id, {
        discount: percent,
        reason: "launch",
        periods: 3,
      });
      expect(first).toMatchObject({ customerId: id, discount: percent, reason: "launch", periods: 3 });
      const ended = await client.customers.setDiscount(id, { discount: null });
      expect(ended).toMatchObject({ customerId: id, discount: null, reason: null, periods: null });
      expect((await client.customers.listDiscounts(id)).data.map((each) => each.id)).toEqual([
        ended.id,
        first.id,
      ]);
      const { startsAt: effectiveFrom = "" } = await client.billing.getCurrentPeriod();
      const minimum = await client.customers.setMinimum(id, { minimum: "50", effectiveFrom });
      expect(minimum).toMatchObject({
        customerId: id,
        minimum: "50",
        effectiveFrom,
        billedFrom: effectiveFrom,
      });
      expect((await client.customers.listMinimums(id)).data).toEqual([minimum]);
      await client.customers.setMinimum(id, { minimum: null, effectiveFrom });

      expect(await errorOf(client.customers.setDiscount(id, { discount: percent }))).toMatchObject({
        name: "ValidationError",
        issues: [{ path: "reason" }],
      });
      expect(await errorOf(client.customers.setMinimum(id, { minimum: "0" }))).toMatchObject({
        name: "ValidationError",
        issues: [{ path: "minimum" }],
      });
      const nobody = "0198a1f2-7c3e-7d8a-9b61-0f6c2d4e8a10";
      expect(await errorOf(client.customers.setMinimum(nobody, { minimum: "5" }))).toBeInstanceOf(
        NotFoundError,
      );
      expect(await errorOf(client.customers.listDiscounts(nobody))).toBeInstanceOf(NotFoundError);
    });

    it("limit what one call of an agent may use, and not what the owner reports", async () => {
      const { id, name: meterName } = await api.newMeter();
      expect(await api.client.meters.get(id)).toMatchObject({ maxQuantityPerCall: 1_000_000 });
      const { agent, token } = await api.newToken();
      expect(await api.client.meters.update(id, { maxQuantityPerCall: 5 })).toMatchObject({
        maxQuantityPerCall: 5,
      });
      for (const refused of [
        () => api.client.mcp.verify(token, { meterName, quantity: 6 }),
        () => api.client.mcp.reserve(token, { meterName, quantity: 6 }),
      ]) {
        expect(await errorOf(refused())).toMatchObject({
          name: "ValidationError",
          status: 422,
          code: "UNPROCESSABLE",
          issues: [{ path: "quantity", code: "too_big" }],
        });
      }
      await api.client.mcp.verify(token, { meterName, quantity: 5 });
      await api.client.usage.record({ agentId: agent.id, meterName, quantity: 6 });
      expect(await api.client.usage.totals({ meterName })).toMatchObject([{ quantity: 11, eventCount: 2 }]);
      const other = await api.client.meters.create({ name: unique("bytes"), maxQuantityPerCall: 7 });
      expect(other).toMatchObject({ maxQuantityPerCall: 7 });
    });

    it("have one name each", async () => {
      const { name } = await api.newMeter();
      expect(await errorOf(api.client.meters.create({ name }))).toBeInstanceOf(ConflictError);
    });

    it("that do not exist meter nothing", async () => {
      const { token } = await api.newToken();
      expect(await errorOf(api.client.mcp.verify(token, { meterName: "no_such_meter" }))).toMatchObject({
        status: 422,
      });
    });
  });

  describe("usage", () => {
    it("is recorded, one event at a time, once per idempotency key", async () => {
      const { id: agentId } = await api.newAgent();
      const event = {
        agentId,
        meterName: "api_calls",
        quantity: 5,
        idempotencyKey: unique("job"),
        metadata: { job: "8731" },
      };
      const first = await api.client.usage.record(event);
      expect(first).toMatchObject({
        status: "recorded",
        event: { agentId, quantity: 5, metadata: { job: "8731" } },
      });
      const second = await api.client.usage.record(event);
      expect(second).toMatchObject({ status: "duplicate", event: { id: first.event.id } });
      const { idempotencyKey } = event;
      expect((await api.client.usage.listEvents({ idempotencyKey })).data).toMatchObject([
        { id: first.event.id, agentId },
      ]);
    });

    it("that is rejected throws what fits", async () => {
      const { id: agentId } = await api.newAgent();
      const missing = "01890a5d-ac96-774b-bcce-b302099a8057";
      expect(
        await errorOf(api.client.usage.record({ agentId, meterName: "api_calls", quantity: 0 })),
      ).toMatchObject({
        name: "ValidationError",
        issues: [{ path: expect.stringMatching(/quantity$/) }],
      });
      expect(
        await errorOf(api.client.usage.record({ agentId: missing, meterName: "api_calls" })),
      ).toBeInstanceOf(NotFoundError);
    });

    it("is refunded once and adjusted with a reason, and what was recorded stays", async () => {
      const { id: agentId } = await api.newAgent();
      const { name: meterName } = await api.newMeter();
      const { event } = await api.client.usage.record({ agentId, meterName, quantity: 5 });
      const refund = await api.client.usage.refundEvent(event.id, { reason: "an empty answer" });
      expect(refund).toMatchObject({ agentId, meterName, quantity: -5, eventId: event.id, customerId: null });
      expect(await errorOf(api.client.usage.refundEvent(event.id, { reason: "again" }))).toMatchObject({
        name: "ConflictError",
        details: { adjustmentId: refund.id },
      });
      const { id: periodId } = await api.client.billing.getCurrentPeriod();
      const params = { agentId, meterName, quantity: 2, reason: "not counted" };
      const adjustment = await api.client.billing.createAdjustment({ ...params, periodId });
      expect(adjustment).toMatchObject({ ...params, periodId, eventId: null });
      const { data } = await api.client.billing.listAdjustments({ agentId });
      expect(data.map(({ quantity }) => quantity).toSorted()).toEqual([-5, 2]);
      expect((await api.client.billing.listAdjustments({ eventId: event.id })).data).toEqual([refund]);
      expect(await api.client.usage.totals({ meterName })).toMatchObject([{ quantity: 5, eventCount: 1 }]);
      const missing = "01890a5d-ac96-774b-bcce-b302099a8057";
      expect(await errorOf(api.client.usage.refundEvent(missing, { reason: "none" }))).toBeInstanceOf(
        NotFoundError,
      );
    });

    it("in a batch has an outcome per event, in order", async () => {
      const { id: agentId } = await api.newAgent();
      const outcomes = await api.client.usage.recordBatch([
        { agentId, meterName: "api_calls", quantity: 2 },
        { agentId, meterName: "no_such_meter" },
        { agentId, meterName: "api_calls", quantity: 3 },
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(["recorded", "rejected", "recorded"]);
      expect(await api.client.usage.totals({ agentId })).toMatchObject([{ quantity: 5, eventCount: 2 }]);
    });

    it("that is JSON already is sent as it is, and has a status per event, in order", async () => {
      const { id: agentId } = await api.newAgent();
      const lines = ["api_calls", "no_such_meter", "api_calls"].map((meterName) =>
        JSON.stringify({ agentId, meterName, quantity: 2, idempotencyKey: unique("line") }),
      );
      const json = `{"events":[ ${lines.join("\n,  ")}\n]}`;
      for (const [body, ...expected] of [
        [json, "recorded", "rejected", "recorded"],
        [new TextEncoder().encode(json), "duplicate", "rejected", "duplicate"],
      ] as const) {
        const statuses = await api.client.usage.recordJson(body, 3);
        expect(statuses.map(({ status }) => status)).toEqual(expected);
        expect(statuses[1]).toMatchObject({ code: expect.any(String), error: expect.any(String) });
      }
      expect(await api.client.usage.totals({ agentId })).toMatchObject([{ quantity: 4, eventCount: 2 }]);
    });

    it("in a batch that is repeated by its request's key is recorded once", async () => {
      const { id: agentId } = await api.newAgent();
      const idempotencyKey = unique("batch");
      const send = () =>
        api.client.usage.recordBatch(
          [
            { agentId, meterName: "api_calls" },
            { agentId, meterName: "api_calls" },
          ],
          { idempotencyKey },
        );
      await send();
      await send();
      expect(await api.client.usage.totals({ agentId })).toMatchObject([{ quantity: 2, eventCount: 2 }]);
    });

    it("is listed and summed by what is asked for", async () => {
      const [one, two] = [await api.newAgent(), await api.newAgent()];
      const { name: meterName } = await api.newMeter();
      await api.client.usage.recordBatch([
        { agentId: one.id, meterName, quantity: 2 },
        { agentId: two.id, meterName, quantity: 3 },
      ]);
      const events = await api.client.usage.listEvents({ meterName });
      expect(events.data.map(({ quantity }) => quantity).toSorted()).toEqual([2, 3]);
      expect((await api.client.usage.listEvents({ agentId: two.id })).data).toMatchObject([
        { quantity: 3, meterName },
      ]);
      expect(await api.client.usage.totals({ meterName })).toMatchObject([
        { meterName, quantity: 5, eventCount: 2 },
      ]);
      const byAgent = await api.client.usage.totals({ meterName, groupBy: ["agent", "day"] });
      expect(new Map(byAgent.map(({ agentId, quantity }) => [agentId, quantity]))).toEqual(
        new Map([
          [one.id, 2],
          [two.id, 3],
        ]),
      );
      expect(byAgent[0]?.day).toMatch(/^\d{4}-\d\d-\d\d$/);
      const days = await api.client.usage.timeseries({ meterName, groupBy: ["agent", "customer"] });
      expect(days.map(({ startsAt, endsAt }) => Date.parse(endsAt) > Date.parse(startsAt))).toEqual([
        true,
        true,
      ]);
      expect(new Map(days.map(({ agentName, quantity }) => [agentName, quantity]))).toEqual(
        new Map([
          [one.name, 2],
          [two.name, 3],
        ]),
      );
      expect(days).toMatchObject([
        { meterName, customerId: null, customerName: null, eventCount: 1 },
        { meterName, customerId: null, customerName: null, eventCount: 1 },
      ]);
    });
  });
}

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AuthenticationError,
  BudgetExceededError,
  ConflictError,
  Licentric,
  NotFoundError,
  PermissionDeniedError,
  ValidationError,
} from "../src/index.ts";
import { errorOf } from "./client-for.ts";

/** Something that speaks the contract: the fake, or the server. */
export interface ApiUnderTest {
  readonly baseUrl: string;
  readonly apiKey: string;
  close(): Promise<void>;
}

let names = 0;
const unique = (name: string) => `${name}_${++names}`;

/**
 * What the client and an API must do together. It runs against the fake of the client's other tests and against
 * the real server, so that the two cannot drift apart.
 */
export function describeContract(name: string, start: () => Promise<ApiUnderTest>): void {
  describe(`the contract, kept by ${name}`, () => {
    let api: ApiUnderTest;
    let client: Licentric;

    beforeAll(async () => {
      api = await start();
      client = new Licentric({ apiKey: api.apiKey, baseUrl: api.baseUrl });
    }, 60_000);
    afterAll(async () => {
      await client?.close();
      await api?.close();
    });

    const newAgent = () => client.agents.create({ name: unique("agent") });
    const newMeter = () => client.meters.create({ name: unique("meter") });
    const newToken = async (scopes = ["mcp:invoke"], expiresIn?: number) => {
      const agent = await newAgent();
      const { token } = await client.mcp.authorize(agent.id, { scopes, expiresIn });
      return { agent, token };
    };

    describe("agents", () => {
      it("are created, read, changed and deleted", async () => {
        const agent = await client.agents.create({ name: "bot", metadata: { team: "search" } });
        expect(agent).toMatchObject({
          name: "bot",
          status: "active",
          customerId: null,
          metadata: { team: "search" },
        });
        expect(await client.agents.get(agent.id)).toEqual(agent);
        expect(await client.agents.update(agent.id, { name: "robot" })).toMatchObject({
          id: agent.id,
          name: "robot",
        });
        expect(await client.agents.delete(agent.id)).toMatchObject({ id: agent.id });
        expect(await errorOf(client.agents.get(agent.id))).toBeInstanceOf(NotFoundError);
      });

      it("are listed newest first, page by page", async () => {
        const made = [await newAgent(), await newAgent(), await newAgent()].map(({ id }) => id).toReversed();
        const page = await client.agents.list({ limit: 2 });
        expect(page.data.map(({ id }) => id)).toEqual(made.slice(0, 2));
        expect(page.hasNextPage()).toBe(true);
        expect((await page.getNextPage()).data[0]?.id).toBe(made[2]);

        const all: string[] = [];
        for await (const { id } of client.agents.list({ limit: 2 })) all.push(id);
        expect(all.slice(0, 3)).toEqual(made);
        expect(new Set(all).size).toBe(all.length);
      });

      it("are listed by status", async () => {
        const { id } = await newAgent();
        await client.agents.update(id, { status: "suspended" });
        const suspended = await client.agents.list({ status: "suspended" });
        expect(suspended.data.map((agent) => agent.id)).toContain(id);
        expect(suspended.data.every(({ status }) => status === "suspended")).toBe(true);
      });

      it("that are unknown are not found, and the error names the request", async () => {
        const error = await errorOf(client.agents.get("01890a5d-ac96-774b-bcce-b302099a8057"));
        expect(error).toBeInstanceOf(NotFoundError);
        expect(error).toMatchObject({
          status: 404,
          code: "NOT_FOUND",
          requestId: expect.stringMatching(/./),
        });
      });

      it("with an illegal member are refused with the member's path", async () => {
        const error = await errorOf(client.agents.create({ name: "" }));
        expect(error).toBeInstanceOf(ValidationError);
        expect(error).toMatchObject({ status: 400, code: "VALIDATION_ERROR", issues: [{ path: "name" }] });
      });
    });

    describe("a call with an idempotency key", () => {
      it("gives the first answer again", async () => {
        const idempotencyKey = unique("once");
        const first = await client.agents.create({ name: "once" }, { idempotencyKey });
        expect(await client.agents.create({ name: "once" }, { idempotencyKey })).toEqual(first);
      });

      it("conflicts with another call of the same key", async () => {
        const idempotencyKey = unique("twice");
        await client.agents.create({ name: "one" }, { idempotencyKey });
        const error = await errorOf(client.agents.create({ name: "two" }, { idempotencyKey }));
        expect(error).toBeInstanceOf(ConflictError);
        expect(error).toMatchObject({ status: 409, code: "IDEMPOTENCY_CONFLICT" });
      });

      it("gives the same secret again", async () => {
        const { id } = await newAgent();
        const idempotencyKey = unique("token");
        const [first, second] = [
          await client.mcp.authorize(id, { scopes: ["mcp:invoke"] }, { idempotencyKey }),
          await client.mcp.authorize(id, { scopes: ["mcp:invoke"] }, { idempotencyKey }),
        ];
        expect(second.token.reveal()).toBe(first.token.reveal());
      });
    });

    describe("a token", () => {
      it("is verified with the agent and the scopes that it was issued for", async () => {
        const { agent, token } = await newToken(["mcp:invoke", "search"]);
        const { data, headers } = await client.mcp.verify(token).withResponse();
        expect(data).toMatchObject({ agentId: agent.id, scopes: ["mcp:invoke", "search"] });
        expect(data.accountId).not.toBe("");
        expect(data.event).toBeUndefined();
        expect(headers.get("licentric-durable")).toBe("true");
      });

      it("meters what it is asked to", async () => {
        const { agent, token } = await newToken();
        const { event } = await client.mcp.verify(token, { meterName: "api_calls", quantity: 3 });
        expect(event).toMatchObject({ meterName: "api_calls", quantity: 3, duplicate: false });
        const one = await client.mcp.verify(token, { meterName: "api_calls" });
        expect(one.event).toMatchObject({ quantity: 1 });
        const totals = await client.usage.totals({ agentId: agent.id });
        expect(totals).toMatchObject([{ meterName: "api_calls", quantity: 4, eventCount: 2 }]);
      });

      it("meters once for one idempotency key", async () => {
        const { agent, token } = await newToken();
        const idempotencyKey = unique("call");
        const verify = () => client.mcp.verify(token, { meterName: "api_calls" }, { idempotencyKey });
        const [first, second] = [await verify(), await verify()];
        expect(second.event?.id).toBe(first.event?.id);
        expect(await client.usage.totals({ agentId: agent.id })).toMatchObject([
          { quantity: 1, eventCount: 1 },
        ]);
      });

      it("needs no management key on the client", async () => {
        const { agent, token } = await newToken();
        const keyless = new Licentric({ apiKey: null, baseUrl: api.baseUrl });
        expect(await keyless.mcp.verify(token.reveal())).toMatchObject({ agentId: agent.id });
        await keyless.close();
      });

      it.each([0, -1, 1.5, 1_000_000_001])("does not meter %d of anything", async (quantity) => {
        const { agent, token } = await newToken();
        const error = await errorOf(client.mcp.verify(token, { meterName: "api_calls", quantity }));
        expect(error).toBeInstanceOf(ValidationError);
        expect(error).toMatchObject({ status: 400, issues: [{ path: "quantity" }] });
        expect(await client.usage.totals({ agentId: agent.id })).toEqual([]);
      });

      it("without a required scope is refused and meters nothing", async () => {
        const { agent, token } = await newToken(["mcp:invoke"]);
        const error = await errorOf(
          client.mcp.verify(token, { meterName: "api_calls", requiredScopes: ["admin"] }),
        );
        expect(error).toBeInstanceOf(PermissionDeniedError);
        expect(error).toMatchObject({ status: 403, code: "INSUFFICIENT_SCOPE" });
        expect(await client.usage.totals({ agentId: agent.id })).toEqual([]);
      });

      it("that is forged, expired, revoked or of a suspended agent is refused", async () => {
        expect(await errorOf(client.mcp.verify("AGT-0123456789abcdefghij"))).toMatchObject({ status: 401 });

        const expired = await newToken(["mcp:invoke"], 1);
        await new Promise((resolve) => setTimeout(resolve, 1_100));
        expect(await errorOf(client.mcp.verify(expired.token))).toBeInstanceOf(AuthenticationError);

        const revoked = await newToken();
        const [credential] = (await client.credentials.list(revoked.agent.id)).data;
        await client.credentials.revoke(credential?.id ?? "");
        expect(await errorOf(client.mcp.verify(revoked.token))).toMatchObject({
          status: 401,
          code: "UNAUTHORIZED",
        });

        const suspended = await newToken();
        await client.agents.update(suspended.agent.id, { status: "suspended" });
        expect(await errorOf(client.mcp.verify(suspended.token))).toMatchObject({ status: 401 });
        expect(await errorOf(client.mcp.authorize(suspended.agent.id, { scopes: ["a"] }))).toBeInstanceOf(
          ConflictError,
        );
      });
    });

    describe("credentials", () => {
      it("are listed without their secrets, rotated and revoked", async () => {
        const { agent, token } = await newToken(["mcp:invoke", "search"]);
        const page = await client.credentials.list(agent.id);
        expect(page.data).toMatchObject([
          { agentId: agent.id, status: "active", scopes: ["mcp:invoke", "search"] },
        ]);
        expect(JSON.stringify(page)).not.toContain(token.reveal());
        const id = page.data[0]?.id ?? "";

        const rotated = await client.credentials.rotate(id, { overlap: 60 });
        expect(rotated).toMatchObject({ agentId: agent.id, scopes: ["mcp:invoke", "search"] });
        await client.mcp.verify(token);
        await client.mcp.verify(rotated.token);

        expect(await client.credentials.revoke(id)).toMatchObject({ id, status: "revoked" });
        expect(await errorOf(client.mcp.verify(token))).toBeInstanceOf(AuthenticationError);
        await client.mcp.verify(rotated.token);
      });
    });

    describe("reservations", () => {
      it("bill what is committed", async () => {
        const { agent, token } = await newToken();
        const { reservation } = await client.mcp.reserve(token, { meterName: "api_calls", quantity: 10 });
        expect(reservation).toMatchObject({ status: "held", quantity: 10, committedQuantity: null });
        const outcome = await client.mcp.commit(token, reservation.id, { quantity: 4 });
        expect(outcome).toMatchObject({
          reservation: { status: "committed", committedQuantity: 4 },
          event: { quantity: 4 },
        });
        expect(await client.usage.totals({ agentId: agent.id })).toMatchObject([
          { quantity: 4, eventCount: 1 },
        ]);
        expect(await errorOf(client.mcp.release(token, reservation.id))).toBeInstanceOf(ConflictError);
      });

      it("bill all of it where no quantity is named", async () => {
        const { token } = await newToken();
        const { reservation } = await client.mcp.reserve(token, { meterName: "api_calls", quantity: 7 });
        expect(await client.mcp.commit(token, reservation.id)).toMatchObject({ event: { quantity: 7 } });
      });

      it("bill nothing when released", async () => {
        const { agent, token } = await newToken();
        const { reservation } = await client.mcp.reserve(token, { meterName: "api_calls" });
        const outcome = await client.mcp.release(token, reservation.id);
        expect(outcome).toMatchObject({ reservation: { status: "released" } });
        expect(outcome.event).toBeUndefined();
        expect(await client.usage.totals({ agentId: agent.id })).toEqual([]);
        expect(await errorOf(client.mcp.commit(token, reservation.id))).toBeInstanceOf(ConflictError);
      });

      it("hold no more than was asked for", async () => {
        const { token } = await newToken();
        const { reservation } = await client.mcp.reserve(token, { meterName: "api_calls", quantity: 2 });
        expect(await errorOf(client.mcp.commit(token, reservation.id, { quantity: 3 }))).toBeInstanceOf(
          ValidationError,
        );
      });
    });

    describe("budgets", () => {
      it("are created, listed, read, changed and deleted", async () => {
        const { id: agentId } = await newAgent();
        const budget = await client.budgets.create({ agentId, meterName: "api_calls", limit: 10 });
        expect(budget).toMatchObject({
          agentId,
          limit: 10,
          used: 0,
          remaining: 10,
          status: "ok",
          window: "period",
          warnAtPercent: 80,
        });
        expect((await client.budgets.list({ agentId })).data).toEqual([budget]);
        expect(await client.budgets.get(budget.id)).toEqual(budget);
        expect(await client.budgets.update(budget.id, { limit: 20 })).toMatchObject({
          limit: 20,
          remaining: 20,
        });
        const again = client.budgets.create({ agentId, meterName: "api_calls", limit: 1 });
        expect(await errorOf(again)).toBeInstanceOf(ConflictError);
        await client.budgets.delete(budget.id);
        expect(await errorOf(client.budgets.get(budget.id))).toBeInstanceOf(NotFoundError);
      });

      it("track and do not stop what is recorded, unless they are enforced", async () => {
        const { agent, token } = await newToken();
        await client.budgets.create({ agentId: agent.id, meterName: "api_calls", limit: 5 });
        const used = async (quantity: number) =>
          (await client.mcp.verify(token, { meterName: "api_calls", quantity })).budget;
        expect(await used(3)).toMatchObject({ limit: 5, used: 3, remaining: 2, status: "ok" });
        expect(await used(1)).toMatchObject({ used: 4, status: "warning" });
        expect(await used(1)).toMatchObject({ used: 5, remaining: 0, status: "exceeded" });
        expect(await used(1)).toMatchObject({ used: 6, remaining: 0, status: "exceeded" });

        const error = await errorOf(
          client.mcp.verify(token, { meterName: "api_calls", enforceBudget: true }),
        );
        expect(error).toBeInstanceOf(BudgetExceededError);
        expect(error).toMatchObject({
          status: 402,
          code: "BUDGET_EXCEEDED",
          budget: { limit: 5, used: 6, remaining: 0 },
        });
        expect(await client.usage.totals({ agentId: agent.id })).toMatchObject([{ quantity: 6 }]);
      });
    });

    describe("meters", () => {
      it("are created, found by name, read and renamed, and have prices", async () => {
        const name = unique("pages");
        const meter = await client.meters.create({
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
        expect((await client.meters.list({ name })).data).toEqual([meter]);
        expect(await client.meters.update(meter.id, { displayName: "Pages" })).toMatchObject({
          name,
          displayName: "Pages",
        });

        const { startsAt } = await client.billing.getCurrentPeriod();
        const set = await client.meters.setPrice(meter.id, {
          price: { model: "package", packageSize: 100, packagePrice: "1" },
          effectiveFrom: startsAt,
        });
        expect(set).toMatchObject({ meterId: meter.id, price: { model: "package", packageSize: 100 } });
        expect((await client.meters.listPrices(meter.id)).data.map(({ id }) => id)).toContain(set.id);
        expect(await client.meters.get(meter.id)).toMatchObject({ id: meter.id, displayName: "Pages" });
      });

      it("have one name each", async () => {
        const { name } = await newMeter();
        expect(await errorOf(client.meters.create({ name }))).toBeInstanceOf(ConflictError);
      });

      it("that do not exist meter nothing", async () => {
        const { token } = await newToken();
        expect(await errorOf(client.mcp.verify(token, { meterName: "no_such_meter" }))).toMatchObject({
          status: 422,
        });
      });
    });

    describe("usage", () => {
      it("is recorded, one event at a time, once per idempotency key", async () => {
        const { id: agentId } = await newAgent();
        const event = {
          agentId,
          meterName: "api_calls",
          quantity: 5,
          idempotencyKey: unique("job"),
          metadata: { job: "8731" },
        };
        const first = await client.usage.record(event);
        expect(first).toMatchObject({
          status: "recorded",
          event: { agentId, quantity: 5, metadata: { job: "8731" } },
        });
        const second = await client.usage.record(event);
        expect(second).toMatchObject({ status: "duplicate", event: { id: first.event.id } });
      });

      it("that is rejected throws what fits", async () => {
        const { id: agentId } = await newAgent();
        const missing = "01890a5d-ac96-774b-bcce-b302099a8057";
        expect(
          await errorOf(client.usage.record({ agentId, meterName: "api_calls", quantity: 0 })),
        ).toMatchObject({
          name: "ValidationError",
          issues: [{ path: expect.stringMatching(/quantity$/) }],
        });
        expect(
          await errorOf(client.usage.record({ agentId: missing, meterName: "api_calls" })),
        ).toBeInstanceOf(NotFoundError);
      });

      it("in a batch has an outcome per event, in order", async () => {
        const { id: agentId } = await newAgent();
        const outcomes = await client.usage.recordBatch([
          { agentId, meterName: "api_calls", quantity: 2 },
          { agentId, meterName: "no_such_meter" },
          { agentId, meterName: "api_calls", quantity: 3 },
        ]);
        expect(outcomes.map(({ status }) => status)).toEqual(["recorded", "rejected", "recorded"]);
        expect(await client.usage.totals({ agentId })).toMatchObject([{ quantity: 5, eventCount: 2 }]);
      });

      it("in a batch that is repeated by its request's key is recorded once", async () => {
        const { id: agentId } = await newAgent();
        const idempotencyKey = unique("batch");
        const send = () =>
          client.usage.recordBatch(
            [
              { agentId, meterName: "api_calls" },
              { agentId, meterName: "api_calls" },
            ],
            { idempotencyKey },
          );
        await send();
        await send();
        expect(await client.usage.totals({ agentId })).toMatchObject([{ quantity: 2, eventCount: 2 }]);
      });

      it("is listed and summed by what is asked for", async () => {
        const [one, two] = [await newAgent(), await newAgent()];
        const { name: meterName } = await newMeter();
        await client.usage.recordBatch([
          { agentId: one.id, meterName, quantity: 2 },
          { agentId: two.id, meterName, quantity: 3 },
        ]);
        const events = await client.usage.listEvents({ meterName });
        expect(events.data.map(({ quantity }) => quantity).toSorted()).toEqual([2, 3]);
        expect((await client.usage.listEvents({ agentId: two.id })).data).toMatchObject([
          { quantity: 3, meterName },
        ]);
        expect(await client.usage.totals({ meterName })).toMatchObject([
          { meterName, quantity: 5, eventCount: 2 },
        ]);
        const byAgent = await client.usage.totals({ meterName, groupBy: ["agent", "day"] });
        expect(new Map(byAgent.map(({ agentId, quantity }) => [agentId, quantity]))).toEqual(
          new Map([
            [one.id, 2],
            [two.id, 3],
          ]),
        );
        expect(byAgent[0]?.day).toMatch(/^\d{4}-\d\d-\d\d$/);
      });
    });

    describe("customers", () => {
      it("are created, listed, read and changed, and have agents", async () => {
        const customer = await client.customers.create({ name: "Acme", email: "billing@acme.example" });
        expect(customer).toMatchObject({
          name: "Acme",
          email: "billing@acme.example",
          stripeCustomerId: null,
        });
        expect((await client.customers.list()).data.map(({ id }) => id)).toContain(customer.id);
        expect(await client.customers.get(customer.id)).toEqual(customer);
        expect(await client.customers.update(customer.id, { email: null })).toMatchObject({ email: null });
        const agent = await client.agents.create({ name: "theirs", customerId: customer.id });
        expect((await client.agents.list({ customerId: customer.id })).data.map(({ id }) => id)).toEqual([
          agent.id,
        ]);
      });
    });

    describe("management keys", () => {
      it("are created with scopes, listed without secrets, and revoked", async () => {
        const created = await client.keys.create({ name: "reader", scopes: ["agents:read"] });
        expect(created).toMatchObject({
          name: "reader",
          scopes: ["agents:read"],
          mode: "test",
          revokedAt: null,
        });
        const reader = new Licentric({ apiKey: created.key, baseUrl: api.baseUrl });
        await reader.agents.list();
        const denied = await errorOf(reader.agents.create({ name: "x" }));
        expect(denied).toBeInstanceOf(PermissionDeniedError);
        expect(denied).toMatchObject({ status: 403, code: "FORBIDDEN" });

        const listed = (await client.keys.list()).data.find(({ id }) => id === created.id);
        expect(listed).toMatchObject({ name: "reader", hint: created.key.reveal().slice(-4) });
        expect(JSON.stringify(listed)).not.toContain(created.key.reveal());

        expect((await client.keys.revoke(created.id)).revokedAt).not.toBeNull();
        expect(await errorOf(reader.agents.list())).toMatchObject({ status: 401, code: "UNAUTHORIZED" });
        await reader.close();
      });

      it("that do not exist are refused", async () => {
        const stranger = new Licentric({ apiKey: "lk_test_0000000000000000", baseUrl: api.baseUrl });
        expect(await errorOf(stranger.agents.list())).toBeInstanceOf(AuthenticationError);
        await stranger.close();
      });
    });

    describe("audit events", () => {
      it("tell which key changed what", async () => {
        const { id } = await newAgent();
        await client.agents.update(id, { name: "renamed" });
        const events = (await client.auditEvents.list({ resourceId: id })).data;
        expect(events.map(({ operation }) => operation)).toEqual(["agents.update", "agents.create"]);
        expect(new Set(events.map(({ keyId }) => keyId)).size).toBe(1);
        const created = await client.auditEvents.list({ resourceId: id, operation: "agents.create" });
        expect(created.data).toMatchObject([{ resourceIds: [id] }]);
      });
    });

    describe("webhooks", () => {
      it("are created with a secret, listed and read without it, changed and removed", async () => {
        const webhook = await client.webhooks.create({
          url: "https://example.com/hook",
          events: ["invoice.paid"],
        });
        expect(webhook).toMatchObject({
          url: "https://example.com/hook",
          events: ["invoice.paid"],
          enabled: true,
        });
        expect(webhook.secret.reveal()).toMatch(/^whsec_/);
        expect(await client.webhooks.get(webhook.id)).not.toHaveProperty("secret");
        expect((await client.webhooks.list()).data.map(({ id }) => id)).toContain(webhook.id);
        expect(await client.webhooks.update(webhook.id, { enabled: false })).toMatchObject({
          enabled: false,
        });
        await client.webhooks.delete(webhook.id);
        expect(await errorOf(client.webhooks.get(webhook.id))).toBeInstanceOf(NotFoundError);
      });
    });

    // Closing the account's period changes what the tests above see, so it comes last.
    describe("a period", () => {
      it("is closed and invoiced, once", async () => {
        const { name: meterName } = await client.meters.create({
          name: unique("billed"),
          price: { model: "per_unit", unitPrice: "0.25" },
        });
        const { token } = await newToken();
        await client.mcp.verify(token, { meterName, quantity: 10 });

        const open = await client.billing.getCurrentPeriod();
        expect(open).toMatchObject({ status: "open", closedAt: null });
        expect((await client.billing.listPeriods({ status: "open" })).data.map(({ id }) => id)).toContain(
          open.id,
        );
        expect(await errorOf(client.billing.createInvoice(open.id))).toBeInstanceOf(ConflictError);

        const progress: unknown[] = [];
        const waitForFlush = { onProgress: (now: unknown) => progress.push(now) };
        const closed = await client.billing.closePeriod(open.id, { waitForFlush });
        expect(progress).toEqual([]);
        expect(closed).toMatchObject({ id: open.id, status: "closed" });
        expect(closed.totals).toContainEqual({ meterName, quantity: 10, eventCount: 1 });
        expect(await client.billing.closePeriod(open.id)).toEqual(closed);
        expect(await client.billing.getPeriod(open.id)).toEqual(closed);

        const invoice = await client.billing.createInvoice(open.id, { metadata: { run: "1" } });
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
        expect((await client.billing.createInvoice(open.id)).id).toBe(invoice.id);
        expect(await client.billing.getInvoice(invoice.id ?? "")).toEqual(invoice);
        expect((await client.billing.listInvoices({ periodId: open.id })).data.map(({ id }) => id)).toEqual([
          invoice.id,
        ]);

        expect(await client.billing.voidInvoice(invoice.id ?? "")).toMatchObject({
          id: invoice.id,
          status: "void",
        });
        const again = await client.billing.createInvoice(open.id, {});
        expect(again.id).not.toBe(invoice.id);
        const note = await client.billing.createCreditNote(again.id ?? "", { amount: "0.50", memo: "sorry" });
        expect(note).toMatchObject({ invoiceId: again.id, amount: "0.50", amountMinor: 50, memo: "sorry" });
        expect((await client.billing.listCreditNotes(again.id ?? "")).data).toEqual([note]);
      });
    });
  });
}

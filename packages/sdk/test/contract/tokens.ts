import { describe, expect, it } from "vitest";
import {
  AuthenticationError,
  BudgetExceededError,
  ConflictError,
  Licentric,
  NotFoundError,
  PermissionDeniedError,
  ValidationError,
} from "../../src/index.ts";
import { errorOf } from "../client-for.ts";
import { type ContractContext, unique } from "./context.ts";

/** What an agent's token does. */
export function describeTokens(api: ContractContext): void {
  describe("a token", () => {
    it("is verified with the agent and the scopes that it was issued for", async () => {
      const { agent, token } = await api.newToken(["mcp:invoke", "search"]);
      const { data, headers } = await api.client.mcp.verify(token).withResponse();
      expect(data).toMatchObject({ agentId: agent.id, scopes: ["mcp:invoke", "search"] });
      expect(data.accountId).not.toBe("");
      expect(data.event).toBeUndefined();
      expect(headers.get("licentric-durable")).toBe("true");
    });

    it("meters what it is asked to", async () => {
      const { agent, token } = await api.newToken();
      const { event } = await api.client.mcp.verify(token, { meterName: "api_calls", quantity: 3 });
      expect(event).toMatchObject({ meterName: "api_calls", quantity: 3, duplicate: false });
      const one = await api.client.mcp.verify(token, { meterName: "api_calls" });
      expect(one.event).toMatchObject({ quantity: 1 });
      const totals = await api.client.usage.totals({ agentId: agent.id });
      expect(totals).toMatchObject([{ meterName: "api_calls", quantity: 4, eventCount: 2 }]);
    });

    it("meters once for one idempotency key", async () => {
      const { agent, token } = await api.newToken();
      const idempotencyKey = unique("call");
      const verify = () => api.client.mcp.verify(token, { meterName: "api_calls" }, { idempotencyKey });
      const [first, second] = [await verify(), await verify()];
      expect(second.event?.id).toBe(first.event?.id);
      expect(await api.client.usage.totals({ agentId: agent.id })).toMatchObject([
        { quantity: 1, eventCount: 1 },
      ]);
    });

    it("needs no management key on the client", async () => {
      const { agent, token } = await api.newToken();
      const keyless = new Licentric({ apiKey: null, baseUrl: api.baseUrl });
      expect(await keyless.mcp.verify(token.reveal())).toMatchObject({ agentId: agent.id });
      await keyless.close();
    });

    it("tells its agent who it is, what is left of its budgets and what meters cost, and records nothing", async () => {
      const { agent, token } = await api.newToken();
      const { name: meterName } = await api.newMeter();
      await api.client.budgets.create({ agentId: agent.id, meterName, limit: 5, window: "total" });
      await api.client.mcp.verify(token, { meterName, quantity: 2 });
      const keyless = new Licentric({ apiKey: null, baseUrl: api.baseUrl });
      const me = await keyless.mcp.me(token);
      expect(me).toMatchObject({
        agentId: agent.id,
        name: agent.name,
        scopes: ["mcp:invoke"],
        budgets: [{ meterName, window: "total", limit: 5, used: 2, remaining: 3, resetsAt: null }],
      });
      expect(Date.parse(me.expiresAt)).toBeGreaterThan(Date.now());
      const prices = await keyless.mcp.listPrices(token, { meterName });
      expect(prices.data).toMatchObject([{ meterName, currency: "usd" }]);
      const names = [];
      for await (const each of keyless.mcp.listPrices(token, { limit: 1 })) names.push(each.meterName);
      expect(names).toEqual(expect.arrayContaining([meterName, "api_calls"]));
      await keyless.close();
      expect(await api.client.usage.totals({ agentId: agent.id })).toMatchObject([{ eventCount: 1 }]);
      expect(await errorOf(api.client.mcp.me("AGT-unknown"))).toBeInstanceOf(AuthenticationError);
    });

    it.each([0, -1, 1.5, 1_000_000_001])("does not meter %d of anything", async (quantity) => {
      const { agent, token } = await api.newToken();
      const error = await errorOf(api.client.mcp.verify(token, { meterName: "api_calls", quantity }));
      expect(error).toBeInstanceOf(ValidationError);
      expect(error).toMatchObject({ status: 400, issues: [{ path: "quantity" }] });
      expect(await api.client.usage.totals({ agentId: agent.id })).toEqual([]);
    });

    it("without a required scope is refused and meters nothing", async () => {
      const { agent, token } = await api.newToken(["mcp:invoke"]);
      const error = await errorOf(
        api.client.mcp.verify(token, { meterName: "api_calls", requiredScopes: ["admin"] }),
      );
      expect(error).toBeInstanceOf(PermissionDeniedError);
      expect(error).toMatchObject({ status: 403, code: "INSUFFICIENT_SCOPE" });
      expect(await api.client.usage.totals({ agentId: agent.id })).toEqual([]);
    });

    it("that is forged, expired, revoked or of a suspended agent is refused", async () => {
      expect(await errorOf(api.client.mcp.verify("AGT-0123456789abcdefghij"))).toMatchObject({ status: 401 });

      const expired = await api.newToken(["mcp:invoke"], 1);
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      expect(await errorOf(api.client.mcp.verify(expired.token))).toBeInstanceOf(AuthenticationError);

      const revoked = await api.newToken();
      const [credential] = (await api.client.credentials.list(revoked.agent.id)).data;
      await api.client.credentials.revoke(credential?.id ?? "");
      expect(await errorOf(api.client.mcp.verify(revoked.token))).toMatchObject({
        status: 401,
        code: "UNAUTHORIZED",
      });

      const suspended = await api.newToken();
      await api.client.agents.update(suspended.agent.id, { status: "suspended" });
      expect(await errorOf(api.client.mcp.verify(suspended.token))).toMatchObject({ status: 401 });
      expect(await errorOf(api.client.mcp.authorize(suspended.agent.id, { scopes: ["a"] }))).toBeInstanceOf(
        ConflictError,
      );
    });
  });

  describe("reservations", () => {
    it("bill what is committed", async () => {
      const { agent, token } = await api.newToken();
      const { reservation } = await api.client.mcp.reserve(token, { meterName: "api_calls", quantity: 10 });
      expect(reservation).toMatchObject({ status: "held", quantity: 10, committedQuantity: null });
      const outcome = await api.client.mcp.commit(token, reservation.id, { quantity: 4 });
      expect(outcome).toMatchObject({
        reservation: { status: "committed", committedQuantity: 4 },
        event: { quantity: 4 },
      });
      expect(await api.client.usage.totals({ agentId: agent.id })).toMatchObject([
        { quantity: 4, eventCount: 1 },
      ]);
      expect(await errorOf(api.client.mcp.release(token, reservation.id))).toBeInstanceOf(ConflictError);
    });

    it("bill all of it where no quantity is named", async () => {
      const { token } = await api.newToken();
      const { reservation } = await api.client.mcp.reserve(token, { meterName: "api_calls", quantity: 7 });
      expect(await api.client.mcp.commit(token, reservation.id)).toMatchObject({ event: { quantity: 7 } });
    });

    it("bill nothing when released", async () => {
      const { agent, token } = await api.newToken();
      const { reservation } = await api.client.mcp.reserve(token, { meterName: "api_calls" });
      const outcome = await api.client.mcp.release(token, reservation.id);
      expect(outcome).toMatchObject({ reservation: { status: "released" } });
      expect(outcome.event).toBeUndefined();
      expect(await api.client.usage.totals({ agentId: agent.id })).toEqual([]);
      expect(await errorOf(api.client.mcp.commit(token, reservation.id))).toBeInstanceOf(ConflictError);
    });

    it("hold no more than was asked for", async () => {
      const { token } = await api.newToken();
      const { reservation } = await api.client.mcp.reserve(token, { meterName: "api_calls", quantity: 2 });
      expect(await errorOf(api.client.mcp.commit(token, reservation.id, { quantity: 3 }))).toBeInstanceOf(
        ValidationError,
      );
    });
  });

  describe("budgets", () => {
    it("are created, listed, read, changed and deleted", async () => {
      const { id: agentId } = await api.newAgent();
      const budget = await api.client.budgets.create({ agentId, meterName: "api_calls", limit: 10 });
      expect(budget).toMatchObject({
        agentId,
        limit: 10,
        used: 0,
        remaining: 10,
        status: "ok",
        window: "period",
        warnAtPercent: 80,
      });
      expect((await api.client.budgets.list({ agentId })).data).toEqual([budget]);
      expect(await api.client.budgets.get(budget.id)).toEqual(budget);
      expect(await api.client.budgets.update(budget.id, { limit: 20 })).toMatchObject({
        limit: 20,
        remaining: 20,
      });
      const again = api.client.budgets.create({ agentId, meterName: "api_calls", limit: 1 });
      expect(await errorOf(again)).toBeInstanceOf(ConflictError);
      await api.client.budgets.delete(budget.id);
      expect(await errorOf(api.client.budgets.get(budget.id))).toBeInstanceOf(NotFoundError);
    });

    it("of a customer are used by all its agents together", async () => {
      const { id: customerId } = await api.client.customers.create({ name: unique("customer") });
      const [one, other] = [await api.newToken(), await api.newToken()];
      for (const { agent } of [one, other]) await api.client.agents.update(agent.id, { customerId });
      const made = { customerId, meterName: "api_calls", limit: 3, enforced: true };
      const budget = await api.client.budgets.create(made);
      expect(budget).toMatchObject({ agentId: null, customerId, shared: true, limit: 3, used: 0 });
      const both = api.client.budgets.create({ ...made, agentId: one.agent.id });
      expect(await errorOf(both)).toBeInstanceOf(ValidationError);
      // Nothing is recorded: usage of a customer would stay on no invoice.
      for (const { token } of [one, other]) {
        const refused = await errorOf(api.client.mcp.verify(token, { meterName: "api_calls", quantity: 4 }));
        expect(refused).toBeInstanceOf(BudgetExceededError);
        expect(refused).toMatchObject({ budget: { shared: true, limit: 3, used: 0, remaining: 3 } });
      }
      const keyless = new Licentric({ apiKey: null, baseUrl: api.baseUrl });
      expect((await keyless.mcp.me(other.token)).budgets).toMatchObject([{ shared: true, remaining: 3 }]);
      await keyless.close();
      expect((await api.client.budgets.list({ customerId })).data).toMatchObject([
        { id: budget.id, used: 0 },
      ]);
      await api.client.budgets.delete(budget.id);
    });

    it("track and do not stop what is recorded, unless they are enforced", async () => {
      const { agent, token } = await api.newToken();
      await api.client.budgets.create({ agentId: agent.id, meterName: "api_calls", limit: 5 });
      const used = async (quantity: number) =>
        (await api.client.mcp.verify(token, { meterName: "api_calls", quantity })).budget;
      expect(await used(3)).toMatchObject({ limit: 5, used: 3, remaining: 2, status: "ok" });
      expect(await used(1)).toMatchObject({ used: 4, status: "warning" });
      expect(await used(1)).toMatchObject({ used: 5, remaining: 0, status: "exceeded" });
      expect(await used(1)).toMatchObject({ used: 6, remaining: 0, status: "exceeded" });

      const error = await errorOf(
        api.client.mcp.verify(token, { meterName: "api_calls", enforceBudget: true }),
      );
      expect(error).toBeInstanceOf(BudgetExceededError);
      expect(error).toMatchObject({
        status: 402,
        code: "BUDGET_EXCEEDED",
        budget: { limit: 5, used: 6, remaining: 0 },
      });
      expect(await api.client.usage.totals({ agentId: agent.id })).toMatchObject([{ quantity: 6 }]);
    });

    it("hold whatever the caller says where they are marked as enforced, and flag what the owner reports", async () => {
      const { agent, token } = await api.newToken();
      const meterName = "api_calls";
      const budget = await api.client.budgets.create({
        agentId: agent.id,
        meterName,
        limit: 3,
        enforced: true,
      });
      expect(budget).toMatchObject({ enforced: true });
      await api.client.mcp.verify(token, { meterName, quantity: 2 });
      for (const refused of [
        () => api.client.mcp.verify(token, { meterName, quantity: 2 }),
        () => api.client.mcp.reserve(token, { meterName, quantity: 2 }),
      ]) {
        expect(await errorOf(refused())).toMatchObject({
          name: "BudgetExceededError",
          status: 402,
          budget: { limit: 3, used: 2 },
        });
      }
      const fits = await api.client.usage.record({ agentId: agent.id, meterName });
      expect(fits).not.toHaveProperty("overBudget");
      expect(await api.client.usage.record({ agentId: agent.id, meterName })).toMatchObject({
        status: "recorded",
        overBudget: true,
      });
      expect(await api.client.budgets.update(budget.id, { enforced: false })).toMatchObject({
        enforced: false,
      });
      await api.client.mcp.verify(token, { meterName });
      expect(await api.client.usage.totals({ agentId: agent.id })).toMatchObject([{ quantity: 5 }]);
    });
  });
}

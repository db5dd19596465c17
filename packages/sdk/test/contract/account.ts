import { describe, expect, it } from "vitest";
import { AuthenticationError, Licentric, NotFoundError, PermissionDeniedError } from "../../src/index.ts";
import { errorOf } from "../client-for.ts";
import type { ContractContext } from "./context.ts";

/** What belongs to the account. */
export function describeAccount(api: ContractContext): void {
  describe("customers", () => {
    it("are created, listed, read and changed, and have agents", async () => {
      const customer = await api.client.customers.create({ name: "Acme", email: "billing@acme.example" });
      expect(customer).toMatchObject({
        name: "Acme",
        email: "billing@acme.example",
        stripeCustomerId: null,
      });
      expect((await api.client.customers.list()).data.map(({ id }) => id)).toContain(customer.id);
      expect(await api.client.customers.get(customer.id)).toEqual(customer);
      expect(await api.client.customers.update(customer.id, { email: null })).toMatchObject({ email: null });
      const agent = await api.client.agents.create({ name: "theirs", customerId: customer.id });
      expect((await api.client.agents.list({ customerId: customer.id })).data.map(({ id }) => id)).toEqual([
        agent.id,
      ]);
    });
  });

  describe("the account", () => {
    it("is read and changed", async () => {
      const before = await api.client.account.get();
      expect(before).toMatchObject({ currency: "usd", timeZone: "UTC", stripeCustomerId: null });
      const change = {
        email: "books@acme.example",
        address: { city: "Berlin", country: "DE" },
        taxId: { type: "eu_vat", value: "DE123456789" },
      };
      const changed = await api.client.account.update(change);
      expect(changed).toMatchObject({ ...before, ...change, updatedAt: expect.any(String) });
      expect(await api.client.account.get()).toEqual(changed);
      expect(await api.client.account.update({ email: null, address: null, taxId: null })).toMatchObject({
        name: before.name,
        email: null,
        address: null,
        taxId: null,
      });
    });
  });

  describe("management keys", () => {
    it("are created with scopes, listed without secrets, and revoked", async () => {
      const created = await api.client.keys.create({ name: "reader", scopes: ["agents:read"] });
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

      const listed = (await api.client.keys.list()).data.find(({ id }) => id === created.id);
      expect(listed).toMatchObject({ name: "reader", hint: created.key.reveal().slice(-4) });
      expect(JSON.stringify(listed)).not.toContain(created.key.reveal());

      expect((await api.client.keys.revoke(created.id)).revokedAt).not.toBeNull();
      expect(await errorOf(reader.agents.list())).toMatchObject({ status: 401, code: "UNAUTHORIZED" });
      await reader.close();
    });

    it("that do not exist are refused", async () => {
      const stranger = new Licentric({ apiKey: "lk_test_0000000000000000", baseUrl: api.baseUrl });
      expect(await errorOf(stranger.agents.list())).toBeInstanceOf(AuthenticationError);
      await stranger.close();
    });
  });

  describe("the console", () => {
    it("is opened by a code that lives for a minute", async () => {
      const made = await api.client.console.createCode({ role: "read" });
      expect(made.role).toBe("read");
      expect(Date.parse(made.expiresAt)).toBeGreaterThan(Date.now());
      expect(made.code.reveal()).toMatch(/^lcc_/);
      expect(JSON.stringify(made)).not.toContain(made.code.reveal());
    });
  });

  describe("audit events", () => {
    it("tell which key changed what", async () => {
      const { id } = await api.newAgent();
      await api.client.agents.update(id, { name: "renamed" });
      const events = (await api.client.auditEvents.list({ resourceId: id })).data;
      expect(events.map(({ operation }) => operation)).toEqual(["agents.update", "agents.create"]);
      expect(new Set(events.map(({ keyId }) => keyId)).size).toBe(1);
      const created = await api.client.auditEvents.list({ resourceId: id, operation: "agents.create" });
      expect(created.data).toMatchObject([{ resourceIds: [id] }]);
    });
  });

  describe("every answer", () => {
    it("names its request and says how many more there may be", async () => {
      const { requestId, rateLimit } = await api.client.agents.list().withResponse();
      expect(requestId).toMatch(/./);
      expect(rateLimit?.limit).toBeGreaterThan(0);
      expect(rateLimit?.remaining).toBeLessThanOrEqual(rateLimit?.limit ?? 0);
      expect(rateLimit?.reset.getTime()).toBeGreaterThan(Date.now() - 60_000);
    });
  });

  describe("webhooks", () => {
    it("are created with a secret, listed and read without it, changed and removed", async () => {
      const webhook = await api.client.webhooks.create({
        url: "https://example.com/hook",
        events: ["invoice.paid"],
      });
      expect(webhook).toMatchObject({
        url: "https://example.com/hook",
        events: ["invoice.paid"],
        enabled: true,
      });
      expect(webhook.secret.reveal()).toMatch(/^whsec_/);
      expect(await api.client.webhooks.get(webhook.id)).not.toHaveProperty("secret");
      expect((await api.client.webhooks.list()).data.map(({ id }) => id)).toContain(webhook.id);
      expect((await api.client.webhooks.listDeliveries(webhook.id, { status: "failed" })).data).toEqual([]);
      const nothing = "01890a5d-ac96-774b-bcce-b302099a8057";
      expect(await errorOf(api.client.webhooks.resendDelivery(webhook.id, nothing))).toBeInstanceOf(
        NotFoundError,
      );
      expect(await api.client.webhooks.update(webhook.id, { enabled: false })).toMatchObject({
        enabled: false,
      });
      await api.client.webhooks.delete(webhook.id);
      expect(await errorOf(api.client.webhooks.get(webhook.id))).toBeInstanceOf(NotFoundError);
    });
  });
}

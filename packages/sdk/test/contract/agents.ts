import { describe, expect, it } from "vitest";
import { AuthenticationError, ConflictError, NotFoundError, ValidationError } from "../../src/index.ts";
import { errorOf } from "../client-for.ts";
import { type ContractContext, unique } from "./context.ts";

/** Agents, their credentials, and calls that are made once. */
export function describeAgents(api: ContractContext): void {
  describe("agents", () => {
    it("are created, read, changed and deleted", async () => {
      const agent = await api.client.agents.create({ name: "bot", metadata: { team: "search" } });
      expect(agent).toMatchObject({
        name: "bot",
        status: "active",
        customerId: null,
        metadata: { team: "search" },
      });
      expect(await api.client.agents.get(agent.id)).toEqual(agent);
      expect(await api.client.agents.update(agent.id, { name: "robot" })).toMatchObject({
        id: agent.id,
        name: "robot",
      });
      expect(await api.client.agents.delete(agent.id)).toMatchObject({ id: agent.id });
      expect(await errorOf(api.client.agents.get(agent.id))).toBeInstanceOf(NotFoundError);
    });

    it("are listed newest first, page by page", async () => {
      const made = [await api.newAgent(), await api.newAgent(), await api.newAgent()]
        .map(({ id }) => id)
        .toReversed();
      const page = await api.client.agents.list({ limit: 2 });
      expect(page.data.map(({ id }) => id)).toEqual(made.slice(0, 2));
      expect(page.hasNextPage()).toBe(true);
      expect((await page.getNextPage()).data[0]?.id).toBe(made[2]);

      const all: string[] = [];
      for await (const { id } of api.client.agents.list({ limit: 2 })) all.push(id);
      expect(all.slice(0, 3)).toEqual(made);
      expect(new Set(all).size).toBe(all.length);
    });

    it("are listed by status", async () => {
      const { id } = await api.newAgent();
      await api.client.agents.update(id, { status: "suspended" });
      const suspended = await api.client.agents.list({ status: "suspended" });
      expect(suspended.data.map((agent) => agent.id)).toContain(id);
      expect(suspended.data.every(({ status }) => status === "suspended")).toBe(true);
    });

    it("that are unknown are not found, and the error names the request", async () => {
      const error = await errorOf(api.client.agents.get("01890a5d-ac96-774b-bcce-b302099a8057"));
      expect(error).toBeInstanceOf(NotFoundError);
      expect(error).toMatchObject({
        status: 404,
        code: "NOT_FOUND",
        requestId: expect.stringMatching(/./),
      });
    });

    it("with an illegal member are refused with the member's path", async () => {
      const error = await errorOf(api.client.agents.create({ name: "" }));
      expect(error).toBeInstanceOf(ValidationError);
      expect(error).toMatchObject({ status: 400, code: "VALIDATION_ERROR", issues: [{ path: "name" }] });
    });
  });

  describe("a call with an idempotency key", () => {
    it("gives the first answer again", async () => {
      const idempotencyKey = unique("once");
      const first = await api.client.agents.create({ name: "once" }, { idempotencyKey });
      expect(await api.client.agents.create({ name: "once" }, { idempotencyKey })).toEqual(first);
    });

    it("conflicts with another call of the same key", async () => {
      const idempotencyKey = unique("twice");
      await api.client.agents.create({ name: "one" }, { idempotencyKey });
      const error = await errorOf(api.client.agents.create({ name: "two" }, { idempotencyKey }));
      expect(error).toBeInstanceOf(ConflictError);
      expect(error).toMatchObject({ status: 409, code: "IDEMPOTENCY_CONFLICT" });
    });

    it("gives the same secret again", async () => {
      const { id } = await api.newAgent();
      const idempotencyKey = unique("token");
      const [first, second] = [
        await api.client.mcp.authorize(id, { scopes: ["mcp:invoke"] }, { idempotencyKey }),
        await api.client.mcp.authorize(id, { scopes: ["mcp:invoke"] }, { idempotencyKey }),
      ];
      expect(second.token.reveal()).toBe(first.token.reveal());
    });
  });

  describe("credentials", () => {
    it("are listed without their secrets, rotated and revoked", async () => {
      const { agent, token } = await api.newToken(["mcp:invoke", "search"]);
      const page = await api.client.credentials.list(agent.id);
      expect(page.data).toMatchObject([
        { agentId: agent.id, status: "active", scopes: ["mcp:invoke", "search"] },
      ]);
      expect(JSON.stringify(page)).not.toContain(token.reveal());
      const id = page.data[0]?.id ?? "";

      const rotated = await api.client.credentials.rotate(id, { overlap: 60 });
      expect(rotated).toMatchObject({ agentId: agent.id, scopes: ["mcp:invoke", "search"] });
      await api.client.mcp.verify(token);
      await api.client.mcp.verify(rotated.token);

      expect(await api.client.credentials.revoke(id)).toMatchObject({ id, status: "revoked" });
      expect(await errorOf(api.client.mcp.verify(token))).toBeInstanceOf(AuthenticationError);
      await api.client.mcp.verify(rotated.token);
    });
  });
}

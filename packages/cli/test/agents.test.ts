import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApi, type TestApi } from "./support/api.ts";
import { killRunning, licentric } from "./support/licentric.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
}, 120_000);
afterAll(async () => {
  await api?.close();
  await killRunning();
}, 60_000);

const SLOW = { timeout: 120_000 };

describe("licentric agents", SLOW, () => {
  it("creates, shows, suspends, resumes and deletes an agent", async () => {
    const created = await api.json("agents", "create", "Travel planner", "--metadata", "team=search");
    expect(created).toMatchObject({ name: "Travel planner", status: "active", metadata: { team: "search" } });
    const { id } = created as { id: string };
    expect(await api.json("agents", "show", id)).toEqual(created);

    expect(await api.json("agents", "suspend", id)).toMatchObject({ status: "suspended" });
    expect((await api.run("agents", "list", "--status", "suspended")).stdout).toContain("Travel planner");
    const refused = await api.run("authorize", id, "--json");
    expect(refused.code).toBe(6);
    expect(await api.json("agents", "resume", id)).toMatchObject({ status: "active" });

    const unasked = await api.run("agents", "delete", id);
    expect(unasked).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("--yes") });
    expect((await api.client.agents.get(id)).name).toBe("Travel planner");
    expect((await api.run("agents", "delete", id, "--yes")).stdout).toBe(`Deleted ${id}.\n`);
    expect(await api.run("agents", "show", id)).toMatchObject({ code: 4, stdout: "" });
  });

  it("lists a page with the API's own pagination, goes on behind it, and says that there is more", async () => {
    for (const name of ["first", "second", "third"]) await api.client.agents.create({ name });
    const page = (await api.json("agents", "list", "--limit", "2")) as Record<"data" | "pagination", unknown>;
    expect(page).toMatchObject({
      data: [{ name: "third" }, { name: "second" }],
      pagination: { hasMore: true, nextCursor: expect.any(String) },
    });
    const { nextCursor } = page.pagination as { nextCursor: string };
    expect(await api.json("agents", "list", "--limit", "1", "--cursor", nextCursor)).toMatchObject({
      data: [{ name: "first" }],
    });
    const shown = await api.run("agents", "list", "--limit", "1");
    expect(shown.stdout).toMatch(
      /^ID +NAME +STATUS +CREATED\n\S+ +third +active +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ\n$/,
    );
    expect(shown.stderr).toContain("There are more");
  });

  it("reads every page with --all", async () => {
    const { id: customerId } = await api.client.customers.create({ name: "Big" });
    const names = Array.from({ length: 103 }, (_, index) => `agent ${index}`);
    for (const name of names) await api.client.agents.create({ name, customerId });
    const listed = await api.json("agents", "list", "--customer", customerId, "--all");
    expect((listed as { data: { name: string }[] }).data.map(({ name }) => name)).toEqual(names.toReversed());
    expect(listed).toMatchObject({ pagination: { hasMore: false } });
  });
});

describe("licentric authorize", SLOW, () => {
  it("issues a token that the API takes, and prints it alone where it is asked for", async () => {
    const { id } = await api.client.agents.create({ name: "caller" });
    const { stdout, stderr, code } = await api.run("authorize", id, "--show-secret", "--expires-in", "15m");
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(stdout).toMatch(/^AGT-\S+\n$/);
    const { agentId, scopes, expiresAt } = await api.client.mcp.verify(stdout.trim());
    expect({ agentId, scopes }).toEqual({ agentId: id, scopes: ["mcp:invoke"] });
    const minutes = (Date.parse(expiresAt ?? "") - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(5);
    expect(minutes).toBeLessThanOrEqual(15);
  });

  it("issues none where nobody would see it", async () => {
    const { id } = await api.client.agents.create({ name: "unseen" });
    const refused = await api.run("authorize", id);
    expect(refused).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("--show-secret") });
    expect((await api.client.credentials.list(id)).data).toEqual([]);
  });

  it("says that there is no such agent before it asks how to show the token", async () => {
    expect(await api.run("authorize", "not-an-id")).toMatchObject({ code: 4, stdout: "" });
    const { key } = await api.client.keys.create({ scopes: ["agents:write"] });
    const env = { ...api.env, LICENTRIC_API_KEY: key.reveal() };
    expect(await licentric(["authorize", "not-an-id"], env).ended()).toMatchObject({ code: 2, stdout: "" });
  });

  it("answers the API's own data with --json, every scope that was named in it", async () => {
    const { id } = await api.client.agents.create({ name: "scoped" });
    expect(await api.json("authorize", id, "--scope", "mcp:invoke", "--scope", "weather:admin")).toEqual({
      token: expect.stringMatching(/^AGT-/),
      credentialId: expect.any(String),
      agentId: id,
      scopes: ["mcp:invoke", "weather:admin"],
      expiresAt: expect.any(String),
    });
  });

  it("rotates and revokes tokens, which are listed without their secrets", async () => {
    const { id } = await api.client.agents.create({ name: "rotating" });
    const { token, credentialId = "" } = await api.client.mcp.authorize(id, { scopes: ["mcp:invoke"] });
    const rotated = await api.run("credentials", "rotate", credentialId, "--show-secret");
    await expect(api.client.mcp.verify(token)).rejects.toMatchObject({ status: 401 });
    await api.client.mcp.verify(rotated.stdout.trim());

    const listed = await api.run("credentials", "list", id);
    expect(listed.stdout).toContain(rotated.stdout.trim().slice(-4));
    expect(listed.stdout).not.toContain("AGT-");
    const { data } = await api.client.credentials.list(id, { limit: 1 });
    const newest = data[0]?.id ?? "";
    expect((await api.run("credentials", "revoke", newest, "--yes")).code).toBe(0);
    await expect(api.client.mcp.verify(rotated.stdout.trim())).rejects.toMatchObject({ status: 401 });
  });
});

describe("a failure", SLOW, () => {
  it("is the API's one sentence with the request's id", async () => {
    const { stderr, code } = await api.run("agents", "show", "no-such-agent");
    expect(code).toBe(4);
    expect(stderr).toMatch(/^licentric: .*no-such-agent.* \(request [0-9A-Z]{26}\)\n$/);
  });

  it("is the API's error envelope for a program", async () => {
    const { stderr, stdout } = await api.run("agents", "show", "no-such-agent", "--json");
    expect(stdout).toBe("");
    expect(JSON.parse(stderr)).toEqual({
      error: expect.stringContaining("no-such-agent"),
      code: "NOT_FOUND",
      status: 404,
      requestId: expect.stringMatching(/^[0-9A-Z]{26}$/),
    });
  });

  it.each<[string, number, Record<string, string | undefined>]>([
    ["a key that the API does not know", 3, { LICENTRIC_API_KEY: "lk_test_0123456789abcdef" }],
    ["a key that is none", 3, { LICENTRIC_API_KEY: "secret-that-is-no-key" }],
    ["no key", 3, { LICENTRIC_API_KEY: "" }],
    ["an API that is not there", 5, { LICENTRIC_BASE_URL: "http://127.0.0.1:1" }],
  ])("ends differently for %s", async (_, code, env) => {
    const ended = await licentric(["agents", "list"], { ...api.env, ...env }).ended();
    expect(ended).toMatchObject({ code, stdout: "" });
    expect(ended.stderr).toContain("licentric:");
    expect(ended.stderr).not.toContain("secret-that-is-no-key");
    expect(ended.stderr).not.toContain("0123456789abcdef");
  });

  it("ends with 3 where the key lacks a scope", async () => {
    const { key } = await api.client.keys.create({ scopes: ["agents:read"] });
    const env = { ...api.env, LICENTRIC_API_KEY: key.reveal() };
    expect(await licentric(["agents", "create", "x"], env).ended()).toMatchObject({ code: 3 });
  });

  it.each([
    [["agents", "show"]],
    [["agents", "paint"]],
    [["agents"]],
    [["agents", "list", "--limit", "0"]],
    [["authorize", "agt", "--expires-in", "soon"]],
  ])("of the command line %j ends with 2", async (args) => {
    expect(await api.run(...args)).toMatchObject({ code: 2, stdout: "" });
  });
});

import { randomBytes } from "node:crypto";
import { v4 as uuidv4 } from "uuid";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { mintSecret } from "../src/accounts/secrets.ts";
import { type Answer, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { type NamedRoute, pathParameters, registeredRoutes, routeTable } from "./support/route-table.ts";
import { idMembers, queryIdMembers, replaceAt } from "./support/sample-request.ts";
import {
  bodyOf,
  callAs,
  createTenant,
  pathFor,
  pathOf,
  rowsOf,
  scopesWithout,
  type Tenant,
} from "./support/tenant.ts";

const DESTRUCTIVE = /delete|revoke|rotate|void|close|commit|release|CreditNote|update|resend/;

describeOnEachDatabase("tenancy on $name", (database) => {
  let api: TestApi;
  let registered: ReadonlySet<string>;
  let victim: Tenant;
  let liveVictim: Tenant;
  let stranger: Tenant;
  let liveStranger: Tenant;

  beforeAll(async () => {
    api = await startTestApi(database);
    registered = await registeredRoutes(api);
    const [own, other] = [await api.createAccount(), await api.createAccount()];
    victim = await createTenant(api, own, "test", registered);
    liveVictim = await createTenant(api, own, "live", registered);
    stranger = await createTenant(api, other, "test", registered);
    liveStranger = await createTenant(api, other, "live", registered);
  }, 120_000);
  afterAll(() => api.close());

  const skipUnlessRegistered = (context: TestContext, { name }: NamedRoute) =>
    context.skip(!registered.has(name), "the server does not answer this row of the route table yet");

  /** Runs the attack and fails if any row of the tenants attacked is another one afterwards. */
  const changingNothing = async (tenants: readonly Tenant[], attack: () => Promise<void>) => {
    const before = await rowsOf(api, tenants);
    for (const { canary } of tenants) expect(before).toContain(canary);
    await attack();
    expect(await rowsOf(api, tenants)).toBe(before);
  };

  describe.each(routeTable)("$name", (row) => {
    const { route } = row;
    const asKey = route.auth === "key";
    const send = (tenant: Tenant, credential: { token?: string; headers?: Record<string, string> }) =>
      api.call(route.method, pathOf(row, tenant), { ...credential, body: bodyOf(row, tenant) });

    it("answers its owner, and notes in the audit log what a key changes", async (context) => {
      skipUnlessRegistered(context, row);
      const owner = DESTRUCTIVE.test(row.name)
        ? await createTenant(api, await api.createAccount(), "test", registered)
        : liveStranger;
      const answer = await callAs(api, row, owner);
      expect(answer).toMatchObject({ status: route.status, body: { data: expect.anything() } });
      const changes = asKey && route.method !== "GET" && row.name !== "usage.recordBatch";
      const [last] = await api.db.query<{ operation: string; request_id: string }>(
        "SELECT operation, request_id FROM audit_events WHERE environment_id = $1 ORDER BY id DESC LIMIT 1",
        [owner.environmentId],
      );
      const entry = { operation: row.name, request_id: answer.headers["x-request-id"] };
      if (changes) expect(last).toEqual(entry);
      else expect(last).not.toEqual(entry);
    });

    it("refuses every credential that does not belong there, and changes nothing", async (context) => {
      skipUnlessRegistered(context, row);
      const made = asKey ? mintSecret("lk_test_", randomBytes) : mintSecret("AGT-", randomBytes);
      const right = asKey ? victim.key : victim.token;
      await changingNothing([victim], async () => {
        const refused = {
          none: await send(victim, {}),
          "of the other kind": await send(victim, { token: asKey ? victim.token : victim.key }),
          "of the other kind and tenant": await send(victim, {
            token: asKey ? stranger.token : stranger.key,
          }),
          "made up with a right checksum": await send(victim, { token: made }),
          "with a typo": await send(victim, {
            token: `${right.slice(0, -1)}${right.endsWith("A") ? "B" : "A"}`,
          }),
          "in another scheme": await send(victim, { headers: { authorization: `Basic ${right}` } }),
          "in the query": await api.call(
            route.method,
            `${pathOf(row, victim)}?access_token=${right}&token=${right}`,
            { body: bodyOf(row, victim) },
          ),
          "in a cookie": await send(victim, { headers: { cookie: `authorization=Bearer ${right}` } }),
        };
        for (const [credential, { status, body }] of Object.entries(refused)) {
          expect({ credential, status, code: body.code }).toEqual({
            credential,
            status: 401,
            code: "UNAUTHORIZED",
          });
          expect(Object.keys(body)).not.toContain("data");
        }
        if (asKey) {
          expect((await send(victim, { token: victim.revokedKey })).status).toBe(401);
        } else {
          // Work that began under a token is billed after its end; what another token began is not found.
          const ended = await send(victim, { token: victim.revokedToken });
          expect(ended.status).toBe(route.auth === "agent" ? 401 : 404);
        }
      });
    });

    if (asKey) {
      it("refuses a key that has every scope but its own", async (context) => {
        skipUnlessRegistered(context, row);
        expect(route.scope).toBeTypeOf("string");
        const key = await api.createKey(victim.account, "test", scopesWithout(route));
        await changingNothing([victim], async () => {
          expect(await send(victim, { token: key })).toMatchObject({
            status: 403,
            body: { code: "FORBIDDEN", details: { requiredScope: route.scope } },
          });
        });
      });
    }

    it("shows and changes nothing of another account or of the other mode", async (context) => {
      skipUnlessRegistered(context, row);
      const attacks = [
        { attacker: stranger, target: victim },
        { attacker: liveStranger, target: victim },
        { attacker: liveVictim, target: victim },
        { attacker: victim, target: liveVictim },
      ];
      for (const { attacker, target } of attacks) {
        await changingNothing([target], async () => {
          await attackThroughPath(row, attacker, target);
          await attackThroughBody(row, attacker, target);
          await attackThroughQuery(row, attacker, target);
          await attackByAsking(row, attacker, target);
        });
        const rows = await rowsOf(api, [attacker]);
        for (const mark of marksOf(target, attacker)) expect(rows).not.toContain(mark);
      }
    });
  });

  /** Ids of the target in the path; everything else is the attacker's own. */
  async function attackThroughPath(row: NamedRoute, attacker: Tenant, target: Tenant): Promise<void> {
    const { route } = row;
    if (pathParameters(route).length === 0) return;
    const nobody = Object.fromEntries(pathParameters(route).map((name) => [name, uuidv4()]));
    const tokens = route.auth === "key" ? [attacker.key] : [attacker.token, attacker.otherToken];
    for (const token of tokens) {
      const body = bodyOf(row, attacker);
      const answer = await api.call(route.method, pathOf(row, target), { token, body });
      expect(answer).toMatchObject({ status: 404, body: { code: "NOT_FOUND" } });
      expectNothingOf(target, attacker, answer, pathOf(row, target));
      // Whether a resource exists for somebody else cannot be told from the answer.
      const missing = await api.call(route.method, pathFor(route, nobody), { token, body });
      expect(withoutIds(answer)).toEqual(withoutIds(missing));
    }
  }

  /** Each id in the body, one at a time, is the target's. */
  async function attackThroughBody(row: NamedRoute, attacker: Tenant, target: Tenant): Promise<void> {
    const { route } = row;
    const own = bodyOf(row, attacker);
    if (own === undefined) return;
    for (const member of idMembers(own)) {
      const foreign = target.ids[member.split(".").at(-1) ?? ""];
      if (foreign === undefined) throw new Error(`There is no resource for the member ${member}. Make one.`);
      const attempt = (id: string) =>
        api.call(route.method, pathOf(row, attacker), {
          token: attacker.key,
          body: replaceAt(own, member, id),
        });
      const answer = await attempt(foreign);
      expect(isRefused(answer), `${row.name} with another tenant's ${member}`).toBe(true);
      expect(withoutIds(answer)).toEqual(withoutIds(await attempt(uuidv4())));
      expectNothingOf(target, attacker, answer, foreign);
    }
  }

  /** Each id in the query, one at a time, is the target's. */
  async function attackThroughQuery(row: NamedRoute, attacker: Tenant, target: Tenant): Promise<void> {
    const { route } = row;
    for (const member of queryIdMembers(route)) {
      // A cursor and an audited resource can be of any kind.
      const id = target.ids[member === "cursor" || member === "resourceId" ? "agentId" : member];
      if (id === undefined) throw new Error(`There is no resource for the query's ${member}. Make one.`);
      const attempt = (value: string) =>
        api.call(route.method, `${pathOf(row, attacker)}?${wholePage(route)}${member}=${value}`, {
          token: credentialFor(row, attacker),
        });
      if (member === "cursor" && route.cursor !== undefined) {
        const refused = await attempt(`${target.ids["periodId"]}_own`);
        expect(isRefused(refused), `${row.name} with another tenant's cursor`).toBe(true);
        expect(withoutIds(refused)).toEqual(withoutIds(await attempt(`${uuidv4()}_own`)));
        expectNothingOf(target, attacker, refused, "");
        continue;
      }
      const answer = await attempt(id);
      expect(answer.status).toBe(200);
      expectNothingOf(target, attacker, answer, "");
      if (member !== "cursor") expect(answer.body.data).toEqual([]);
    }
  }

  /** Nothing of the target in the request: what is answered is the attacker's own. */
  async function attackByAsking(row: NamedRoute, attacker: Tenant, target: Tenant): Promise<void> {
    if (row.route.method !== "GET") return;
    const answer = await api.call("GET", `${pathOf(row, attacker)}?${wholePage(row.route)}`, {
      token: credentialFor(row, attacker),
    });
    expect(answer.status).toBe(200);
    expectNothingOf(target, attacker, answer, "");
  }

  /** The credential of a tenant that a route takes. */
  const credentialFor = ({ route }: NamedRoute, tenant: Tenant) =>
    route.auth === "key" ? tenant.key : tenant.token;

  /** Of a list, as much as one page has. */
  const wholePage = (route: NamedRoute["route"]) => (route.list ? "limit=100&" : "");

  /** What can be known of the target alone. The two modes of an account share its id. */
  function marksOf(target: Tenant, attacker: Tenant): string[] {
    const accountId = target.account.id === attacker.account.id ? [] : [target.account.id];
    return [
      ...Object.values(target.ids),
      ...accountId,
      target.environmentId,
      target.canary,
      target.key,
      target.token,
    ];
  }

  function expectNothingOf(target: Tenant, attacker: Tenant, answer: Answer, sent: string): void {
    const text = JSON.stringify([answer.headers, answer.body]);
    for (const mark of marksOf(target, attacker)) {
      // An error may repeat what the caller sent himself.
      if (!sent.includes(mark)) expect(text).not.toContain(mark);
    }
  }

  /** Of a batch, each event is refused by itself. */
  function isRefused({ status, body }: Answer): boolean {
    const results: { status: string }[] = body.data?.results ?? [];
    return (
      (status >= 400 && status < 500) ||
      (results.length > 0 && results.every((result) => result.status === "rejected"))
    );
  }

  function withoutIds({ status, body: { requestId: _, ...body } }: Answer) {
    const text = JSON.stringify(body).replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<id>");
    return { status, body: JSON.parse(text) };
  }

  describe("an Idempotency-Key", () => {
    it("of another tenant neither answers nor hinders", async () => {
      const headers = { "idempotency-key": `shared-${randomBytes(4).toString("hex")}` };
      const create = (token: string, name: string) =>
        api.call("POST", "/api/v1/agents", { token, body: { name }, headers });
      const own = await create(victim.key, victim.canary);
      expect(own.status).toBe(201);
      for (const attacker of [stranger, liveStranger, liveVictim]) {
        const same = await create(attacker.key, victim.canary);
        expect(same.status).toBe(201);
        expect(same.body.data.id).not.toBe(own.body.data.id);
        const { id } = same.body.data;
        expect((await api.call("DELETE", `/api/v1/agents/${id}`, { token: attacker.key })).status).toBe(200);
      }
      const otherKey = await api.createKey(victim.account, "test", ["agents:write"]);
      const sameEnvironment = await create(otherKey, "another body");
      expect(sameEnvironment.status).toBe(201);
      expect((await create(victim.key, victim.canary)).body).toEqual(own.body);
    });

    it("of another agent, account or mode never swallows usage", async () => {
      const headers = { "idempotency-key": `usage-${randomBytes(4).toString("hex")}` };
      const verify = (token: string, quantity: number) =>
        api.call("POST", "/api/v1/mcp/verify", {
          token,
          body: { meterName: "api_calls", quantity },
          headers,
        });
      const tokens = [victim.token, victim.otherToken, liveVictim.token, stranger.token, liveStranger.token];
      const ids = new Set<string>();
      for (const [index, token] of tokens.entries()) {
        const answer = await verify(token, index + 1);
        expect(answer).toMatchObject({
          status: 200,
          body: { data: { event: { quantity: index + 1, duplicate: false } } },
        });
        ids.add(answer.body.data.event.id);
      }
      expect(ids.size).toBe(tokens.length);
    });

    it("of a key that was revoked gives its answer to nobody", async () => {
      const headers = { "idempotency-key": "once" };
      const key = await api.createKey(victim.account, "test");
      const make = (token: string) =>
        api.call("POST", "/api/v1/keys", { token, body: { name: "n" }, headers });
      const made = await make(key);
      expect(made.status).toBe(201);
      const revoked = await api.call("POST", `/api/v1/keys/${made.body.data.id}/revoke`, { token: key });
      expect(revoked.status).toBe(200);
      expect((await make(made.body.data.key)).status).toBe(401);
      const stored = await api.db.query<{ text: string }>(
        "SELECT encode(sealed_result, 'escape') AS text FROM idempotency_keys",
      );
      expect(stored.length).toBeGreaterThan(0);
      for (const { text } of stored) expect(text).not.toContain(made.body.data.key);
    });
  });

  it("lets no key make one that may more than itself", async () => {
    const maker = await api.createKey(victim.account, "test", ["keys:write", "agents:read"]);
    const make = (body: object) => api.call("POST", "/api/v1/keys", { token: maker, body });
    for (const body of [{}, { scopes: ["agents:write"] }, { scopes: ["agents:read", "billing:write"] }]) {
      expect(await make(body)).toMatchObject({ status: 403, body: { code: "FORBIDDEN" } });
    }
    const made = await make({ scopes: ["agents:read"] });
    expect(made).toMatchObject({ status: 201, body: { data: { scopes: ["agents:read"], mode: "test" } } });
    const { key } = made.body.data;
    expect((await api.call("GET", "/api/v1/agents", { token: key })).status).toBe(200);
    expect((await api.call("POST", "/api/v1/agents", { token: key, body: { name: "x" } })).status).toBe(403);
  });

  it("holds no secret in clear anywhere in the database", async () => {
    const tables = await api.db.query<{ tablename: string }>(
      "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
    );
    const texts = await Promise.all(
      tables.map(({ tablename }) =>
        api.db.query<{ text: string }>(`SELECT t::text AS text FROM ${tablename} t`),
      ),
    );
    const everything = texts
      .flat()
      .map(({ text }) => text)
      .join("\n");
    expect(everything).toContain(victim.canary);
    for (const { key, token, otherToken, revokedKey, revokedToken } of [
      victim,
      liveVictim,
      stranger,
      liveStranger,
    ])
      for (const secret of [key, token, otherToken, revokedKey, revokedToken])
        expect(everything).not.toContain(secret);
    expect(everything).not.toMatch(/AGT-[\w-]{20}|lk_(test|live)_[\w-]{20}|whsec_[\w+/=-]{20}/);
  });
});

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { embedded } from "./support/databases.ts";
import { routeTable } from "./support/route-table.ts";

describe("the route table", () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(embedded);
  }, 60_000);
  afterAll(() => api.close());

  it.each(routeTable)("has $name answered by the server", async ({ route }) => {
    const path = route.path.replace(/:\w+/g, "01890a5d-ac96-774b-bcce-b302099a8057");
    const answer = await api.call(route.method, path);
    // A path that is not answered is 404: this one asks who is calling.
    expect(answer).toMatchObject({ status: 401, body: { code: "UNAUTHORIZED" } });
  });

  it.each(routeTable)(
    "takes no query parameter that $name does not have, and names it",
    async ({ route }) => {
      const { key } = await api.createAccount();
      const { token } = await createAuthorizedAgent(api, key);
      const path = route.path.replace(/:\w+/g, "01890a5d-ac96-774b-bcce-b302099a8057");
      const credential = route.auth === "key" ? key : token;
      const answer = await api.call(route.method, `${path}?customer=Acme`, { token: credential });
      expect(answer).toMatchObject({ status: 400, body: { code: "VALIDATION_ERROR" } });
      expect(answer.body.error).toContain('"customer"');
    },
  );

  it("compiles its schemas once, and none for a request", async () => {
    const { key } = await api.createAccount();
    const { token } = await createAuthorizedAgent(api, key);
    const verify = () => api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls" } });
    const list = () => api.call("GET", "/api/v1/agents?limit=1", { token: key });
    const compiled: unknown[] = [];
    const Counted = new Proxy(Function, {
      construct(target, args) {
        compiled.push(args.at(-1));
        return Reflect.construct(target, args);
      },
    });
    for (const expected of [expect.any(Array), []]) {
      compiled.length = 0;
      vi.stubGlobal("Function", Counted);
      const answers = [await verify(), await list()];
      vi.unstubAllGlobals();
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      expect(compiled).toEqual(expected);
    }
  });

  it("is what the OpenAPI document lists, and nothing else", async () => {
    const { body } = await api.call("GET", "/api/v1/openapi.json");
    const paths: Record<string, Record<string, { operationId: string }>> = body.paths;
    const listed = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => `${operationId} ${method} ${path}`),
    );
    const expected = routeTable.map(
      ({ name, route }) => `${name} ${route.method.toLowerCase()} ${route.path.replace(/:(\w+)/g, "{$1}")}`,
    );
    expect(listed.toSorted()).toEqual(expected.toSorted());
  });
});

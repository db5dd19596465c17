import { afterAll, beforeAll, describe, expect, it } from "vitest";
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

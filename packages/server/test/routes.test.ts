import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestApi, type TestApi } from "./support/api.ts";
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

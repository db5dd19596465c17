import { afterAll, beforeAll, expect, it } from "vitest";
import { type Api, startApi } from "../../../packages/mcp/test/api.ts";
import { runExample } from "../../testing/src/run-example.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.close());

it("recovers from a used-up budget and a missing scope, and stops at what its owner allows", async () => {
  const { code, stdout, stderr } = await runExample({
    main: new URL("../src/main.ts", import.meta.url),
    env: { LICENTRIC_BASE_URL: api.url, LICENTRIC_API_KEY: api.apiKey },
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.split("\n").slice(0, -2)).toEqual([
    "read: a page",
    "read: a page",
    "  budget_exceeded: the owner raised the budget to 3",
    "read: a page",
    "  insufficient_scope: a new token for mcp:invoke, archive:export",
    "  budget_exceeded: the owner raised the budget to 4",
    "export: everything",
  ]);
  expect(stdout).toMatch(/\nread: given up: .*budget is used up \(4 of 4 api_calls\)/);
  expect(stdout).not.toContain("AGT-");

  for await (const { id } of api.client.agents.list()) expect(await api.billed(id)).toBe(4);
  for await (const budget of api.client.budgets.list()) expect(budget).toMatchObject({ limit: 4, used: 4 });
});

import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import { KEY_SCOPES } from "./keys.ts";
import { buildOpenApi, toJsonSchema } from "./openapi.ts";
import { buildPath, type Route } from "./route.ts";
import { routes } from "./routes.ts";

const all: [string, Route][] = Object.entries(routes).flatMap(([resource, calls]) =>
  Object.entries<Route>(calls).map(([name, route]): [string, Route] => [`${resource}.${name}`, route]),
);

describe("the route table", () => {
  it("has each method and path once", () => {
    const places = all.map(([, { method, path }]) => `${method} ${path.replace(/:\w+/g, ":id")}`);
    expect(places.filter((place, index) => places.indexOf(place) !== index)).toEqual([]);
  });

  it("asks every management call for a scope that exists", () => {
    const known: readonly string[] = KEY_SCOPES;
    const wrong = all.filter(([, route]) => (route.auth === "key") !== known.includes(route.scope ?? ""));
    expect(wrong.map(([name]) => name)).toEqual([]);
  });

  it("asks calls that read for a read scope, and calls that change for a write scope", () => {
    const wrong = all.filter(
      ([, route]) => route.auth === "key" && route.scope?.endsWith(":read") !== (route.method === "GET"),
    );
    expect(wrong.map(([name]) => name)).toEqual([]);
  });

  it("has the documented path of verify", () => {
    expect(routes.mcp.verify).toMatchObject({ method: "POST", path: "/api/v1/mcp/verify", auth: "agent" });
  });

  it("fills ids into a path as single segments", () => {
    expect(buildPath("/api/v1/agents/:agentId/credentials", { agentId: "../x y" })).toBe(
      "/api/v1/agents/..%2Fx%20y/credentials",
    );
  });
});

describe("the OpenAPI document", () => {
  const document = buildOpenApi(routes, { title: "Licentric API", version: "0.0.0" });

  it("is valid OpenAPI 3.1", async () => {
    const result = await new Validator().validate(structuredClone(document));
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
    expect(document["openapi"]).toBe("3.1.0");
  });

  it("has every call", () => {
    const operations = Object.values(
      document["paths"] as Record<string, Record<string, { operationId: string }>>,
    )
      .flatMap((path) => Object.values(path))
      .map((operation) => operation.operationId);
    expect(operations.sort()).toEqual(all.map(([name]) => name).sort());
  });

  it("shows what an event of a batch has", () => {
    const schema = toJsonSchema(routes.usage.recordBatch.body, "input");
    expect(schema).toHaveProperty("properties.events.items.required", ["agentId", "meterName"]);
  });
});

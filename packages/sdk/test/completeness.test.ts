import { routes } from "@licentric/contract";
import { describe, expect, it } from "vitest";
import { clientFor } from "./client-for.ts";

describe("the client", () => {
  const calls = Object.entries(routes).flatMap(([resource, table]) =>
    Object.keys(table).map((call) => [resource, call] as const),
  );

  it.each(calls)("has %s.%s, as the route table has it", (resource, call) => {
    const client: object = clientFor("http://127.0.0.1:9");
    const methods: unknown = Reflect.get(client, resource);
    expect(methods).toBeTypeOf("object");
    expect(Reflect.get(Object(methods), call)).toBeTypeOf("function");
  });
});

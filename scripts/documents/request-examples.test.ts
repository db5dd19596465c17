import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { requestExamples } from "../../docs/generate/request-examples.ts";
import { sampleAnswer, sampleBody } from "../../docs/generate/samples.ts";
import { type Route, routes } from "../../packages/contract/src/index.ts";
import { compileExamples } from "./compile-examples.ts";

const calls = Object.entries(routes).flatMap(([resource, table]) =>
  Object.entries<Route>(table).map(
    ([name, route]) => [`${resource}.${name}`, resource, name, route] as const,
  ),
);

describe("the examples of the HTTP reference", () => {
  let wrong: Record<string, string[]>;
  beforeAll(() => {
    const examples = calls.map(([file, resource, name, route]) => ({
      file,
      line: 1,
      text: requestExamples(resource, name, route).typescript,
    }));
    wrong = compileExamples({ root: join(import.meta.dirname, "../../docs"), examples });
  }, 120_000);

  it.each(calls)("compile for %s, and the API takes their body", (file, resource, name, route) => {
    expect(wrong[`${file}:1`] ?? []).toEqual([]);
    if (route.body !== undefined) {
      const { error } = route.body.safeParse(sampleBody(route.body));
      expect(error?.issues ?? []).toEqual([]);
    }
    const { curl, python, answer } = requestExamples(resource, name, route);
    for (const text of [curl, python]) expect(text).not.toMatch(/:\w+Id\b|undefined|\[object/);
    expect(JSON.parse(answer)).toHaveProperty("data");
    expect(JSON.stringify(sampleAnswer(route.response))).not.toBe("{}");
  });
});

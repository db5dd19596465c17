import { type Attributes, type Meter, metrics, type Span, type Tracer, trace } from "@opentelemetry/api";
import { afterEach, expect, it } from "vitest";
import { createTestPaywall } from "../src/testing.ts";
import { text } from "./connect.ts";

afterEach(() => {
  trace.disable();
  metrics.disable();
});

it("tells OpenTelemetry of every call, without a token, an argument or a result", async () => {
  const spans: { name: string; attributes: Attributes; ended: boolean }[] = [];
  const counts: [string, number, Attributes | undefined][] = [];
  const tracer: Pick<Tracer, "startActiveSpan"> = {
    startActiveSpan(name: string, options: { attributes: Attributes }, run: (span: Span) => unknown) {
      const span = { name, attributes: { ...options.attributes }, ended: false };
      spans.push(span);
      const recording: Pick<Span, "setAttributes" | "setAttribute" | "end"> = {
        setAttributes: (attributes) => {
          Object.assign(span.attributes, attributes);
          return recording as Span;
        },
        setAttribute: (key, value) => {
          span.attributes[key] = value;
          return recording as Span;
        },
        end: () => {
          span.ended = true;
        },
      };
      return run(recording as Span);
    },
  } as Pick<Tracer, "startActiveSpan">;
  const meter = {
    createCounter: (name: string) => ({
      add: (value: number, attributes?: Attributes) => counts.push([name, value, attributes]),
    }),
  };
  trace.setGlobalTracerProvider({ getTracer: () => tracer as Tracer });
  metrics.setGlobalMeterProvider({ getMeter: () => meter as unknown as Meter });

  const paywall = createTestPaywall();
  const handler = paywall.tool(
    { meterName: "rows", quantity: 5, name: "t" },
    async (_args: { secret: string }, _context: object) => text("the-result"),
  );
  await handler({ secret: "the-argument" }, {});
  const token = paywall.authorize("agt_2");
  paywall.actAs(token);
  paywall.refuseWith("rate_limited");
  await handler({ secret: "the-argument" }, {});

  expect(spans.map(({ name }) => name)).toEqual([
    "licentric.authorize",
    "licentric.settle",
    "licentric.authorize",
  ]);
  expect(spans.every(({ ended }) => ended)).toBe(true);
  expect(spans[0]?.attributes).toMatchObject({ "mcp.name": "t", "licentric.agent_id": "agt_test" });
  expect(spans[2]?.attributes).toMatchObject({ "licentric.refusal": "rate_limited" });
  expect(counts).toContainEqual(["licentric.usage", 5, { kind: "tool", name: "t", meterName: "rows" }]);
  expect(counts).toContainEqual(["licentric.calls", 1, { kind: "tool", name: "t", outcome: "rate_limited" }]);
  expect(JSON.stringify([spans, counts])).not.toMatch(new RegExp(`the-argument|the-result|${token}`));
});

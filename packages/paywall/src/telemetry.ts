import type { Counter, Tracer } from "@opentelemetry/api";
import type { Emitter } from "./events.ts";

/** Attributes of a span. No token, argument or result. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** Runs something inside of a span. */
export type Trace = <Value>(
  name: string,
  attributes: SpanAttributes,
  run: () => Promise<Value>,
  describe: (value: Value) => SpanAttributes,
) => Promise<Value>;

interface Instruments {
  readonly tracer: Tracer;
  readonly calls: Counter;
  readonly usage: Counter;
  readonly failures: Counter;
}

const VERSION = "0.0.0";

/**
 * Spans and metrics by OpenTelemetry, where `@opentelemetry/api` is installed; nothing otherwise.
 *
 * - span `licentric.authorize`: everything before the handler; `licentric.settle`: everything after it
 * - counter `licentric.calls`, with `outcome` "allowed" or the refusal's code
 * - counter `licentric.usage`: billed units, with the meter's name
 * - counter `licentric.failures`: what a `failed` event tells of
 */
export function createTelemetry(emitter: Emitter): Trace {
  let instruments: Instruments | undefined;
  let isLoaded = false;
  const loading = load().then((loaded) => {
    instruments = loaded;
    isLoaded = true;
    if (loaded !== undefined) count(emitter, loaded);
  });
  return (name, attributes, run, describe) => {
    const trace = () =>
      instruments === undefined ? run() : inSpan(instruments.tracer, name, attributes, run, describe);
    return isLoaded ? trace() : loading.then(trace);
  };
}

function inSpan<Value>(
  tracer: Tracer,
  name: string,
  attributes: SpanAttributes,
  run: () => Promise<Value>,
  describe: (value: Value) => SpanAttributes,
): Promise<Value> {
  return tracer.startActiveSpan(name, { attributes }, async (span) => {
    try {
      const value = await run();
      span.setAttributes(describe(value));
      return value;
    } catch (error) {
      // What the handler or a cancelled call threw is not the paywall's to describe.
      span.setAttribute("licentric.threw", true);
      throw error;
    } finally {
      span.end();
    }
  });
}

async function load(): Promise<Instruments | undefined> {
  try {
    const { trace, metrics } = await import("@opentelemetry/api");
    const meter = metrics.getMeter("@licentric/mcp", VERSION);
    return {
      tracer: trace.getTracer("@licentric/mcp", VERSION),
      calls: meter.createCounter("licentric.calls", { description: "Calls that reached the paywall" }),
      usage: meter.createCounter("licentric.usage", { description: "Billed units" }),
      failures: meter.createCounter("licentric.failures", { description: "What an owner should look at" }),
    };
  } catch {
    // Not installed: an optional peer.
    return undefined;
  }
}

function count(emitter: Emitter, { calls, usage, failures }: Instruments): void {
  emitter.observe("verified", ({ kind, name, source }) =>
    calls.add(1, { kind, name, source, outcome: "allowed" }),
  );
  emitter.observe("denied", ({ kind, name, refusal }) => calls.add(1, { kind, name, outcome: refusal.code }));
  emitter.observe("metered", ({ kind, name, meterName, quantity, duplicate }) => {
    if (!duplicate) usage.add(quantity, { kind, name, meterName });
  });
  emitter.observe("failed", ({ kind = "", name = "" }) => failures.add(1, { kind, name }));
}

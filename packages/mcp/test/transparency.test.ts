import { once } from "node:events";
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import fc from "fast-check";
import { expect, it } from "vitest";
import { z } from "zod";
import { createTestPaywall } from "../src/testing.ts";
import { connectModern, connectV1, connectV2 } from "./connect.ts";

// A wrapped and a bare server answer the same, whatever the tool, its arguments and its result.

const info = { name: "server", version: "1" };
const content = fc.oneof(
  fc.record({ type: fc.constant("text" as const), text: fc.string() }),
  fc.record({
    type: fc.constant("image" as const),
    data: fc.base64String(),
    mimeType: fc.constant("image/png"),
  }),
  fc.record({
    type: fc.constant("resource" as const),
    resource: fc.record({ uri: fc.webUrl(), text: fc.string() }),
  }),
);
const meta = fc.dictionary(
  fc.stringMatching(/^[a-z]{1,8}$/),
  fc.jsonValue().filter((value) => value !== undefined),
  { maxKeys: 3 },
);
const behaviour = fc.oneof(
  fc.record({
    kind: fc.constant("result" as const),
    content: fc.array(content, { maxLength: 3 }),
    isError: fc.option(fc.boolean(), { nil: undefined }),
    meta: fc.option(meta, { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant("structured" as const),
    value: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.integer(), { maxKeys: 4 }),
    content: fc.array(content, { maxLength: 1 }),
  }),
  fc.record({ kind: fc.constant("throw" as const), message: fc.string() }),
  fc.record({
    kind: fc.constant("progress" as const),
    steps: fc.integer({ min: 1, max: 3 }),
    content: fc.array(content, { maxLength: 1 }),
  }),
  fc.record({
    kind: fc.constant("cancelled" as const),
    /** What the client says when it gives up. */
    reason: fc.string(),
    /** What the handler does then: nobody may see it. */
    answer: fc.constantFrom("result" as const, "throw" as const),
  }),
);
type Behaviour = typeof behaviour extends fc.Arbitrary<infer T> ? T : never;
const schema = { a: z.string(), n: z.number().optional(), list: z.array(z.number()).default([]) };
const args = fc.record(
  {
    a: fc.oneof(fc.string(), fc.integer()),
    n: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: undefined }),
  },
  { requiredKeys: ["a"] },
);

interface Asked {
  readonly received: unknown;
  readonly signal: AbortSignal;
  progress(step: number): Promise<void>;
}

/** What handlers that were cancelled saw of it. */
const cancellations: unknown[] = [];

async function run(does: Behaviour, { received, signal, progress }: Asked) {
  switch (does.kind) {
    case "result":
      return {
        content: [...does.content, { type: "text" as const, text: JSON.stringify(received) }],
        ...(does.isError !== undefined && { isError: does.isError }),
        ...(does.meta !== undefined && { _meta: does.meta }),
      };
    case "structured":
      return { content: does.content, structuredContent: does.value };
    case "throw":
      throw new Error(does.message);
    case "progress":
      for (let step = 1; step <= does.steps; step++) await progress(step);
      return { content: does.content };
    case "cancelled":
      // The client gives up when it hears that the handler runs.
      await Promise.all([once(signal, "abort"), progress(1)]);
      cancellations.push(signal.reason instanceof Error ? signal.reason.message : signal.reason);
      if (does.answer === "throw") throw new Error("cancelled");
      return { content: [{ type: "text" as const, text: "too late" }] };
  }
}

function buildV1(does: Behaviour): McpServerV1 {
  const server = new McpServerV1(info);
  const config =
    does.kind === "structured"
      ? { inputSchema: schema, outputSchema: z.record(z.string(), z.number()) }
      : { inputSchema: schema };
  server.registerTool("t", config, (received, extra) =>
    run(does, {
      received,
      signal: extra.signal,
      progress: (progress) =>
        extra.sendNotification({
          method: "notifications/progress",
          params: { progress, progressToken: extra._meta?.progressToken ?? 0 },
        }),
    }),
  );
  return server;
}

function buildV2(does: Behaviour): McpServerV2 {
  const server = new McpServerV2(info);
  const inputSchema = z.object(schema);
  const config =
    does.kind === "structured"
      ? { inputSchema, outputSchema: z.record(z.string(), z.number()) }
      : { inputSchema };
  server.registerTool("t", config, (received, ctx) =>
    run(does, {
      received,
      signal: ctx.mcpReq.signal,
      progress: (progress) =>
        ctx.mcpReq.notify({
          method: "notifications/progress",
          params: { progress, progressToken: ctx.mcpReq._meta?.progressToken ?? 0 },
        }),
    }),
  );
  return server;
}

type Calls = {
  callTool(params: { name: string; arguments: Record<string, unknown> }, options: object): Promise<unknown>;
};

async function observe(client: Calls, given: Record<string, unknown>, does: Behaviour) {
  const steps: unknown[] = [];
  const controller = new AbortController();
  const options = {
    signal: controller.signal,
    onprogress(progress: unknown) {
      steps.push(progress);
      if (does.kind === "cancelled") controller.abort(does.reason);
    },
  };
  cancellations.length = 0;
  const seen = async () => {
    try {
      return { result: await client.callTool({ name: "t", arguments: given }, options) };
    } catch (error) {
      return { error: String(error) };
    }
  };
  const answer = await seen();
  if (controller.signal.aborted) await expect.poll(() => cancellations).toHaveLength(1);
  return { ...answer, steps, cancellations: [...cancellations] };
}

const calls = (client: Awaited<ReturnType<typeof connectV1>>): Calls => ({
  callTool: (params, options) => client.callTool(params, undefined, options),
});

it.each(["call", "success", "reserve"] as const)(
  "shows no difference, charge %s",
  { timeout: 120_000 },
  async (charge) => {
    await fc.assert(
      fc.asyncProperty(behaviour, args, async (does, given) => {
        const charges = { tools: { t: { meterName: "api_calls", charge } } };
        const paywall = createTestPaywall();
        const pairs: [Promise<Calls>, Promise<Calls>][] = [
          [
            connectV1(buildV1(does)).then(calls),
            connectV1(paywall.protect(buildV1(does), charges)).then(calls),
          ],
          [connectV2(buildV2(does)), connectV2(paywall.protect(buildV2(does), charges))],
          [connectModern(() => buildV2(does)), connectModern(() => paywall.protect(buildV2(does), charges))],
        ];
        for (const [bare, wrapped] of pairs) {
          expect(await observe(await wrapped, given, does)).toEqual(await observe(await bare, given, does));
        }
      }),
      { numRuns: 60 },
    );
  },
);

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { buildCore, toPolicy } from "@licentric/paywall/adapter";
import { createTestLedger } from "@licentric/paywall/testing";
import { expect, it } from "vitest";
import { createHandlerCharges } from "../src/handler/handler-charges.ts";
import { createTestPaywall } from "../src/testing.ts";

it("leaves the heap where it was after 100,000 calls of 20,000 agents", { timeout: 120_000 }, async () => {
  const { gateway } = createTestLedger();
  // Answers without remembering: the ledger of a test keeps everything.
  const quiet = {
    ...gateway,
    verify: async (token: string) => ({
      value: { accountId: "acc", agentId: token.slice(-8), scopes: [], event: { duplicate: false } },
      retried: false,
    }),
  };
  const core = buildCore(
    { token: ({ header }) => header("token"), verification: { cacheTtl: 60_000 } },
    quiet,
  );
  const handlerCharges = createHandlerCharges(core);
  const policy = toPolicy({ meterName: "api_calls" }, "test");
  const target = { kind: "tool", name: "t", id: "tool t", policy } as const;
  const call = (index: number) => {
    const token = `AGT-agent${String(index % 20_000).padStart(8, "0")}`;
    const extra = {
      signal: new AbortController().signal,
      requestInfo: { headers: { token } },
      _meta: index % 3 === 0 ? { "com.licentric/idempotencyKey": `key-${index}` } : {},
    };
    return handlerCharges.charge(target, { index }, extra, async () => ({
      content: [{ type: "text", text: "x".repeat(200) }],
    }));
  };
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const heap = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  // Tables of 10,000 entries that come and go reach their last size after twice as many.
  for (let index = 0; index < 100_000; index++) await call(index);
  const before = heap();
  for (let index = 100_000; index < 200_000; index++) await call(index);
  expect(heap() - before).toBeLessThan(1_000_000);
});

it("keeps nothing of results that are too large to repeat", async () => {
  const paywall = createTestPaywall();
  const handler = paywall.tool({ meterName: "api_calls", name: "t" }, async (_extra: object) => ({
    content: ["x".repeat(2_000_000)],
  }));
  const extra = () => ({
    signal: new AbortController().signal,
    _meta: { "com.licentric/idempotencyKey": "k" },
  });
  await handler(extra());
  // The result is gone, so a repetition cannot be answered; it is not run for nothing either.
  expect(await handler(extra())).toMatchObject({
    _meta: { "com.licentric/refusal": { code: "idempotency_replay" } },
  });
  paywall.expectBilled({ quantity: 1 });
});

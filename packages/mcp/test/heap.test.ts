import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { createCharge } from "../src/charging/charge.ts";
import { createPassages } from "../src/charging/passages.ts";
import { toPolicy } from "../src/charging/policy.ts";
import { createReplays } from "../src/charging/replays.ts";
import { createTeller } from "../src/charging/teller.ts";
import { createUnderWay } from "../src/charging/under-way.ts";
import { createEmitter } from "../src/events.ts";
import { createTestLedger } from "../src/test-ledger.ts";
import { createTestPaywall } from "../src/testing.ts";
import { createVerificationCache } from "../src/verification-cache.ts";

it("leaves the heap where it was after 100,000 calls of 20,000 agents", { timeout: 120_000 }, async () => {
  const { gateway } = createTestLedger();
  const now = () => performance.now();
  const emitter = createEmitter();
  const cache = createVerificationCache({ cacheTtl: 60_000 });
  // Answers without remembering: the ledger of a test keeps everything.
  const quiet = {
    ...gateway,
    verify: async (token: string) => ({
      value: { accountId: "acc", agentId: token.slice(-8), scopes: [], event: { duplicate: false } },
      retried: false,
    }),
  };
  const teller = createTeller({
    gateway: quiet,
    emitter,
    links: {},
    cache,
    journal: undefined,
    timeout: 1_000,
    now,
  });
  const passages = createPassages({
    charge: createCharge({ teller, emitter, background: false, allowOffline: false, now }),
    underWay: createUnderWay(),
    replays: createReplays(now),
    emitter,
    links: {},
    trace: (_name, _attributes, run) => run(),
    tokenSource: ({ header }) => header("token"),
    environment: {},
    timeout: 1_000,
  });
  const policy = toPolicy({ meterName: "api_calls" }, "test");
  const gate = { kind: "tool", name: "t", id: "tool t", policy } as const;
  const call = (index: number) => {
    const token = `AGT-agent${String(index % 20_000).padStart(8, "0")}`;
    const extra = {
      signal: new AbortController().signal,
      requestInfo: { headers: { token } },
      _meta: index % 3 === 0 ? { "com.licentric/idempotencyKey": `key-${index}` } : {},
    };
    return passages.pass(gate, { index }, extra, async () => ({
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
  expect(cache.size).toBeLessThanOrEqual(10_000);
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

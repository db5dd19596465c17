import { createPaywall, type Paywall } from "@licentric/mcp";
import { fileJournal } from "@licentric/mcp/journal";
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport as MemoryV1 } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer as ServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { InMemoryTransport as MemoryV2, McpServer as ServerV2 } from "@modelcontextprotocol/server";
import type { Agent } from "../agent.ts";
import { divide, type Effort, inTurn, middle, type Row } from "../compare.ts";
import { withTemporaryDirectory } from "../databases.ts";

const ran = async () => ({ content: [{ type: "text" as const, text: "ran" }] });
type Call = () => Promise<unknown>;

/**
 * A wrapped tool with a warm cache and background metering ÷ the same tool bare, with the official client. The time
 * is what the event loop was busy, until everything is delivered: that is part of what a call costs, and waiting for
 * the API meanwhile is not.
 */
export function inMemory(agent: Agent, effort: Effort): Promise<Row[]> {
  return withTemporaryDirectory(async (directory) => {
    const paywall = createPaywall({
      baseUrl: agent.url,
      apiKey: agent.apiKey,
      token: () => agent.token,
      metering: "background",
      verification: { cacheTtl: 600_000 },
      journal: fileJournal({ directory, flushInterval: 1 }),
    });
    const delivery = countDelivered(paywall);
    try {
      return [
        await compare("v1", await callV1(paywall), await callV1(), delivery, effort),
        await compare("v2", await callV2(paywall), await callV2(), delivery, effort),
      ];
    } finally {
      await paywall.close({ timeout: 30_000 });
    }
  });
}

interface Delivery {
  /** Resolves when as many events were delivered as calls were made since the last time. */
  of(calls: number): Promise<void>;
}

function countDelivered(paywall: Paywall): Delivery {
  let left = 0;
  let done: () => void = () => undefined;
  paywall.on("delivered", ({ count }) => {
    left -= count;
    if (left <= 0) done();
  });
  return {
    of: (calls) =>
      new Promise((resolve) => {
        left += calls;
        done = resolve;
        if (left <= 0) resolve();
      }),
  };
}

async function compare(
  version: string,
  wrapped: Call,
  bare: Call,
  delivery: Delivery,
  { quick }: Effort,
): Promise<Row> {
  const [rounds, calls] = quick ? [1, 200] : [9, 2_000];
  const { left, right } = await inTurn(
    rounds,
    () => busyMicroseconds(calls, wrapped, () => delivery.of(calls)),
    () => busyMicroseconds(calls, bare),
  );
  return {
    name: `paywall in memory, SDK ${version}`,
    ratio: "a call with a warm cache and the journal ÷ a bare one",
    ...divide(left, right),
    aim: { atMost: 1.25 },
    figures: `${middle(left)} ÷ ${middle(right)} µs`,
  };
}

/** Microseconds for which a call keeps the event loop busy, with what comes after all of them. */
async function busyMicroseconds(calls: number, call: Call, end?: () => Promise<void>): Promise<number> {
  const before = performance.eventLoopUtilization();
  for (let index = 0; index < calls; index++) await call();
  await end?.();
  return (performance.eventLoopUtilization(before).active * 1_000) / calls;
}

async function callV1(paywall?: Paywall): Promise<Call> {
  const server = new ServerV1({ name: "bench", version: "1" });
  server.registerTool("t", {}, paywall?.tool({ meterName: "api_calls", name: "t" }, ran) ?? ran);
  const client = new ClientV1({ name: "bench", version: "1" });
  const [near, far] = MemoryV1.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  return served(() => client.callTool({ name: "t" }));
}

async function callV2(paywall?: Paywall): Promise<Call> {
  const server = new ServerV2({ name: "bench", version: "1" });
  server.registerTool("t", {}, paywall?.tool({ meterName: "api_calls", name: "t" }, ran) ?? ran);
  const client = new ClientV2({ name: "bench", version: "1" });
  const [near, far] = MemoryV2.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  return served(() => client.callTool({ name: "t" }));
}

/** A refusal is quick, too: what is measured must have been served. */
export function served(call: () => Promise<object>): Call {
  return async () => {
    const result = await call();
    if ("isError" in result && result.isError) throw new Error(`refused: ${JSON.stringify(result)}`);
  };
}

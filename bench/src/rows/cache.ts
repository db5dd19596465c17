import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createPaywall } from "@licentric/mcp";
import { Licentric } from "@licentric/sdk";
import type { Effort, Row } from "../compare.ts";

/** Bytes of heap that a remembered agent may take. */
const AIM = 1_024;

/**
 * Measures the heap that a paywall takes for each agent that it remembers, over everything that it keeps of one. The API
 * is a function: what stands for it keeps nothing.
 */
export async function cache({ quick }: Effort): Promise<Row> {
  const agents = quick ? 2_000 : 20_000;
  const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
  let asked = 0;
  const client = new Licentric({
    apiKey: null,
    baseUrl: "http://127.0.0.1:9",
    fetch: async () => {
      const agentId = `5b1f8d1e-3a52-4c0e-9d6f-${String(++asked).padStart(12, "0")}`;
      const accountId = "5b1f8d1e-3a52-4c0e-9d6f-7a8b9c0d1e2f";
      return Response.json({ data: { accountId, agentId, scopes: ["mcp:invoke"], expiresAt } });
    },
  });
  let agent = 0;
  const paywall = createPaywall({
    client,
    token: () => `AGT-${String(agent).padStart(43, "0")}`,
    verification: { cacheTtl: 3_600_000, cacheSize: agents },
  });
  const handler = paywall.tool({ name: "t" }, async (_extra: object) => ({ content: [] }));
  const callEach = async () => {
    for (agent = 0; agent < agents; agent++) await handler({ signal: new AbortController().signal });
  };
  const before = await heapUsed();
  await callEach();
  const each = ((await heapUsed()) - before) / agents;
  await callEach();
  if (asked !== agents)
    throw new Error(`${agents} agents asked ${asked} times: not all of them were remembered`);
  await paywall.close();
  await client.close();
  return {
    name: "memory of a remembered agent",
    ratio: "bytes of heap that the paywall takes for each ÷ 1,024",
    median: each / AIM,
    min: each / AIM,
    max: each / AIM,
    rounds: [each / AIM],
    aim: { atMost: 1 },
    figures: `${each.toFixed(0)} bytes, ${agents.toLocaleString("en-US")} agents`,
  };
}

/** The heap's size when what nobody needs any more is gone. */
async function heapUsed(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  for (let round = 0; round < 3; round++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
}

import { createPaywall } from "@licentric/mcp";
import { Pool } from "undici";
import type { Agent } from "../agent.ts";
import { divide, type Effort, inTurn, microsecondsPerCall, middle, type Row } from "../compare.ts";

/**
 * Measures the time that the default mode adds to a call ÷ a bare undici round trip that records the same.
 */
export async function oneRequest(agent: Agent, { quick }: Effort): Promise<Row> {
  const [rounds, calls] = quick ? [1, 50] : [25, 120];
  const paywall = createPaywall({ baseUrl: agent.url, token: () => agent.token });
  const handler = paywall.tool({ meterName: "api_calls", name: "t" }, async (_extra: object) => ({
    content: [{ type: "text", text: "ran" }],
  }));
  const pool = new Pool(agent.url, { pipelining: 1 });
  const headers = { authorization: `Bearer ${agent.token}`, "content-type": "application/json" };
  const body = JSON.stringify({ meterName: "api_calls" });
  try {
    const { left, right } = await inTurn(
      rounds,
      () =>
        microsecondsPerCall(calls, async () => {
          const result = await handler({ signal: new AbortController().signal });
          if ("isError" in result) throw new Error(`refused: ${JSON.stringify(result)}`);
        }),
      () =>
        microsecondsPerCall(calls, async () => {
          const answer = await pool.request({ method: "POST", path: "/api/v1/mcp/verify", headers, body });
          await answer.body.json();
          if (answer.statusCode !== 200) throw new Error(`the API answered ${answer.statusCode}`);
        }),
    );
    return {
      name: "paywall, one request a call",
      ratio: "added to a call ÷ one bare undici round trip",
      ...divide(left, right),
      aim: { atMost: 1.15 },
      figures: `${middle(left)} ÷ ${middle(right)} µs`,
    };
  } finally {
    await paywall.close();
    await pool.close();
  }
}

import { randomUUID } from "node:crypto";
import autocannon from "autocannon";
import type { Agent } from "../agent.ts";
import type { Child } from "../children.ts";
import { divide, type Effort, inTurn, middle, type Row } from "../compare.ts";

const CONNECTIONS = 50;

/**
 * Requests per second of the API at 50 connections ÷ those of a bare `node:http` JSON echo, under the same load: each with
 * an `Idempotency-Key` of its own, as the client sends it.
 */
export async function underLoad(
  database: string,
  agent: Agent,
  echo: Child,
  { quick }: Effort,
): Promise<Row[]> {
  const [rounds, seconds] = quick ? [1, 1] : [5, 4];
  const rows: Row[] = [];
  for (const { name, does, body, aim } of [
    {
      name: "verify and meter, durable",
      does: "each answered after the sync of its commit to the disk",
      body: { meterName: "api_calls" },
      aim: 0.5,
    },
    { name: "verify alone", does: "nothing written, nothing synced", body: {}, aim: 0.7 },
  ]) {
    const api = loadOf(`${agent.url}/api/v1/mcp/verify`, agent, { body, seconds, token: agent.token });
    const bare = loadOf(echo.url, echo, { body, seconds, token: agent.token });
    const { left, right } = await inTurn(rounds, api.run, bare.run);
    rows.push({
      name: `${name}, ${database}`,
      ratio: `requests a second of the API ÷ of a JSON echo, ${CONNECTIONS} connections; ${does}`,
      ...divide(left, right),
      aim: { atLeast: aim },
      figures: `${middle(left)}/s, ${api.told()} ÷ ${middle(right)}/s, ${bare.told()}`,
    });
  }
  return rows;
}

/** A load on a URL: `run` answers its requests per second, and `told` what else was seen so far. */
function loadOf(
  url: string,
  { processorTime }: Pick<Child, "processorTime">,
  { body, seconds, token }: { body: object; seconds: number; token: string },
): { run: () => Promise<number>; told: () => string } {
  const seen: { p50: number; p99: number; processor: number }[] = [];
  return {
    async run() {
      const before = await processorTime();
      const { requests, latency, non2xx, errors } = await autocannon({
        url,
        method: "POST",
        connections: CONNECTIONS,
        duration: seconds,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(body),
        requests: [{ setupRequest: withKey }],
      });
      if (non2xx + errors > 0) throw new Error(`${url}: ${non2xx} refusals and ${errors} faults under load`);
      seen.push({ ...latency, processor: ((await processorTime()) - before) / requests.total });
      return requests.average;
    },
    told() {
      // As of the ratio, the first round is left out: it only warms up.
      const [p50, p99, processor] = (["p50", "p99", "processor"] as const).map((what) =>
        middle(seen.slice(1).map((one) => one[what])),
      );
      return `p50 ${p50} ms, p99 ${p99} ms, ${processor} µs of its processor a request`;
    },
  };
}

function withKey(request: autocannon.Request): autocannon.Request {
  return { ...request, headers: { ...request.headers, "idempotency-key": randomUUID() } };
}

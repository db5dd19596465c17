import autocannon from "autocannon";
import type { Agent } from "../agent.ts";
import type { Child } from "../children.ts";
import { divide, type Effort, inTurn, middle, type Row } from "../compare.ts";

const CONNECTIONS = 50;

/** Requests per second of the API at 50 connections ÷ those of a bare `node:http` JSON echo, under the same load. */
export async function underLoad(
  database: string,
  agent: Agent,
  echo: Child,
  { quick }: Effort,
): Promise<Row[]> {
  const [rounds, seconds] = quick ? [1, 1] : [5, 4];
  const rows: Row[] = [];
  for (const { name, body, aim } of [
    { name: "verify and meter, durable", body: { meterName: "api_calls" }, aim: 0.5 },
    { name: "verify alone", body: {}, aim: 0.7 },
  ]) {
    const api = loadOf(`${agent.url}/api/v1/mcp/verify`, { body, seconds, token: agent.token });
    const bare = loadOf(echo.url, { body, seconds, token: agent.token });
    const { left, right } = await inTurn(rounds, api.run, bare.run);
    rows.push({
      name: `${name}, ${database}`,
      ratio: `requests a second of the API ÷ of a JSON echo, ${CONNECTIONS} connections`,
      ...divide(left, right),
      aim: { atLeast: aim },
      figures: `${middle(left)}/s, p50 ${api.p50()} ms, p99 ${api.p99()} ms ÷ ${middle(right)}/s, p50 ${bare.p50()} ms, p99 ${bare.p99()} ms`,
    });
  }
  return rows;
}

/** A load on a URL: `run` answers its requests per second, and the other two tell the latencies so far. */
function loadOf(
  url: string,
  { body, seconds, token }: { body: object; seconds: number; token: string },
): { run: () => Promise<number>; p50: () => string; p99: () => string } {
  const latencies: { p50: number; p99: number }[] = [];
  return {
    async run() {
      const { requests, latency, non2xx, errors } = await autocannon({
        url,
        method: "POST",
        connections: CONNECTIONS,
        duration: seconds,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      if (non2xx + errors > 0) throw new Error(`${url}: ${non2xx} refusals and ${errors} faults under load`);
      latencies.push(latency);
      return requests.average;
    },
    p50: () => middle(latencies.map(({ p50 }) => p50)),
    p99: () => middle(latencies.map(({ p99 }) => p99)),
  };
}

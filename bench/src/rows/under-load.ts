import autocannon from "autocannon";
import type { Agent } from "../agent.ts";
import type { Child } from "../children.ts";
import { inTurn, type Row, ratios, spread } from "../compare.ts";

const CONNECTIONS = 50;
const SECONDS = 4;
const ROUNDS = 5;

/** Requests per second of the API at 50 connections ÷ those of a bare `node:http` JSON echo, under the same load. */
export async function underLoad(database: string, agent: Agent, echo: Child): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { name, body, aim } of [
    { name: "verify and meter, durable", body: { meterName: "api_calls" }, aim: 0.5 },
    { name: "verify alone", body: {}, aim: 0.7 },
  ]) {
    const p50: number[] = [];
    const p99: number[] = [];
    const { left, right } = await inTurn(
      ROUNDS,
      async () => {
        const { perSecond, latency } = await load(`${agent.url}/api/v1/mcp/verify`, body, agent.token);
        p50.push(latency.p50);
        p99.push(latency.p99);
        return perSecond;
      },
      async () => (await load(echo.url, body, agent.token)).perSecond,
    );
    const perSecond = `${spread(left).median.toFixed(0)}/s ÷ ${spread(right).median.toFixed(0)}/s`;
    rows.push({
      name: `${name}, ${database}`,
      ratio: "the API ÷ a JSON echo, 50 connections",
      ...spread(ratios(left, right)),
      aim: { atLeast: aim },
      figures: `${perSecond}, p50 ${spread(p50).median} ms, p99 ${spread(p99).median} ms`,
    });
  }
  return rows;
}

async function load(url: string, body: object, token: string) {
  const { requests, latency, non2xx, errors } = await autocannon({
    url,
    method: "POST",
    connections: CONNECTIONS,
    duration: SECONDS,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (non2xx + errors > 0) throw new Error(`${url}: ${non2xx} refusals and ${errors} faults under load`);
  return { perSecond: requests.average, latency };
}

import { Agent as Connections, Pool, request } from "undici";
import type { Agent } from "../agent.ts";
import { type Child, startChild } from "../children.ts";
import { allInTurn, divide, type Effort, microsecondsPerCall, middle, type Row } from "../compare.ts";

const MEBIBYTE = 1_048_576;
/** Mebibytes that a gate may hold which has a thousand sessions. */
const MAY_HOLD = 300;

const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "bench", version: "1" },
};
const messageOf = (method: string, params: object) =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });

/** Measures what the gate adds to a call, and what its sessions hold. */
export async function gate(agent: Agent, effort: Effort): Promise<Row[]> {
  const children: Child[] = [];
  const start = async (name: string, env: Readonly<Record<string, string>>) => {
    const child = await startChild(name, env);
    children.push(child);
    return child;
  };
  try {
    const mcp = await start("serve-mcp", {});
    const bare = await start("serve-pass-through", { UPSTREAM: mcp.url });
    const env = { UPSTREAM: `${mcp.url}/mcp`, LICENTRIC_BASE_URL: agent.url };
    const before = await start("serve-gate", env);
    return [
      await oneCall(agent, before, bare, effort),
      await openStreams(await start("serve-gate", env), agent.token, effort),
    ];
  } finally {
    for (const child of children) await child.stop();
  }
}

/** A paid call through the gate ÷ what cannot be saved: one verification, and the message on a way as long. */
async function oneCall(agent: Agent, before: Child, bare: Child, { quick }: Effort): Promise<Row> {
  const [rounds, calls] = quick ? [1, 50] : [25, 120];
  const through = await senderOf(before.url, agent.token);
  const past = await senderOf(`${bare.url}/mcp`, agent.token);
  const api = new Pool(agent.url, { pipelining: 1 });
  const headers = { authorization: `Bearer ${agent.token}`, "content-type": "application/json" };
  const body = JSON.stringify({ meterName: "api_calls" });
  const verify = async () => {
    const answer = await api.request({ method: "POST", path: "/api/v1/mcp/verify", headers, body });
    await answer.body.json();
    if (answer.statusCode !== 200) throw new Error(`the API answered ${answer.statusCode}`);
  };
  const busy: Record<"gate" | "bare", number[]> = { gate: [], bare: [] };
  const measured = (name: "gate" | "bare", child: Child, call: () => Promise<void>) => async () => {
    const used = await child.processorTime();
    const time = await microsecondsPerCall(calls, call);
    busy[name].push(((await child.processorTime()) - used) / calls);
    return time;
  };
  try {
    const [gates = [], verified = [], passed = []] = await allInTurn(rounds, [
      measured("gate", before, through.call),
      () => microsecondsPerCall(calls, verify),
      measured("bare", bare, past.call),
    ]);
    const needed = verified.map((time, round) => time + (passed[round] ?? Number.NaN));
    // As of the ratio, the first round is left out: it only warms up.
    const processor = (name: keyof typeof busy) => middle(busy[name].slice(1));
    return {
      name: "gate, one call",
      ratio:
        "a paid call through it ÷ one verify round trip and the same message through a bare pass-through",
      ...divide(gates, needed),
      aim: { atMost: 1.3 },
      figures: `${middle(gates)} ÷ (${middle(verified)} + ${middle(passed)}) µs; ${processor("gate")} µs of the gate's processor a call, ${processor("bare")} of the pass-through's`,
    };
  } finally {
    await Promise.all([api.close(), through.close(), past.close()]);
  }
}

/** Begins a session, and returns what sends calls in it. */
async function senderOf(url: string, token: string) {
  const { origin, pathname: path } = new URL(url);
  const pool = new Pool(origin, { pipelining: 1 });
  const own = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  const send = (body: string, session: Readonly<Record<string, string>>) =>
    pool.request({
      method: "POST",
      path,
      headers: { ...own, authorization: `Bearer ${token}`, ...session },
      body,
    });
  const begun = await send(messageOf("initialize", INITIALIZE), {});
  await begun.body.dump();
  const { "mcp-session-id": id } = begun.headers;
  const session = typeof id === "string" ? { "mcp-session-id": id } : {};
  const text = messageOf("tools/call", { name: "t", arguments: {} });
  return {
    async call() {
      const answer = await (await send(text, session)).body.text();
      if (!answer.includes('"ran"')) throw new Error(`refused: ${answer}`);
    },
    close: () => pool.close(),
  };
}

/** The memory of a gate with many sessions, each with its stream open, ÷ what it may hold with a thousand of them. */
async function openStreams(child: Child, token: string, { quick }: Effort): Promise<Row> {
  const sessions = quick ? 100 : 1_000;
  const connections = new Connections({ connections: sessions, pipelining: 1 });
  const bare = await child.memory();
  try {
    for (let begun = 0; begun < sessions; begun += 50)
      await Promise.all(Array.from({ length: 50 }, () => openStream(child.url, token, connections)));
    const held = (await child.memory()) / MEBIBYTE;
    const round = held / MAY_HOLD;
    return {
      name: `gate, ${sessions.toLocaleString("en-US")} sessions with an open stream`,
      ratio: `MiB of the gate's own memory ÷ ${MAY_HOLD}`,
      median: round,
      min: round,
      max: round,
      rounds: [round],
      aim: { atMost: 1 },
      figures: `${held.toFixed(0)} MiB, ${(bare / MEBIBYTE).toFixed(0)} without a session`,
    };
  } finally {
    await connections.destroy();
  }
}

async function openStream(url: string, token: string, dispatcher: Connections): Promise<void> {
  const authorization = `Bearer ${token}`;
  const begun = await request(url, {
    method: "POST",
    dispatcher,
    headers: {
      authorization,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: messageOf("initialize", INITIALIZE),
  });
  await begun.body.dump();
  const id = begun.headers["mcp-session-id"];
  if (typeof id !== "string") throw new Error(`no session began: HTTP ${begun.statusCode}`);
  const stream = await request(url, {
    dispatcher,
    headers: { authorization, accept: "text/event-stream", "mcp-session-id": id },
    bodyTimeout: 0,
  });
  if (stream.statusCode !== 200) throw new Error(`no stream opened: HTTP ${stream.statusCode}`);
  // Closed with its connection.
  stream.body.on("error", () => undefined).resume();
}

import { afterAll, beforeAll, expect, it } from "vitest";
import { type Api, startApi } from "../../mcp/test/api.ts";
import type { GateConfig } from "../src/config/gate-config.ts";
import { openPaidGate } from "./paid.ts";
import {
  callText,
  connectedClient,
  eventsOf,
  initializeText,
  lastMessage,
  oddServer,
  type RawClient,
  rawClient,
  until,
} from "./support.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.close());

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** A gate with few places, and what begins a session of it. */
async function gateWith(limits: NonNullable<GateConfig["limits"]>) {
  const gate = await openPaidGate(api, { upstream: oddServer().upstream, limits });
  const begin = (headers = {}) => connectedClient(gate.url, undefined, headers);
  const beginAsAgent = async () => begin(bearer((await api.authorize()).token));
  return { gate, begin, beginAsAgent };
}

const list = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
/** Returns the HTTP status of a request in a session that may be over. */
async function statusOf(client: RawClient, headers = {}): Promise<number> {
  const response = await client.post(list, headers);
  await response.text();
  return response.status;
}

it("never lets strangers keep an agent out, whoever came first", async () => {
  const { gate, begin, beginAsAgent } = await gateWith({ maxSessions: 3, maxAnonymousSessions: 2 });
  const first = await begin();
  const second = await begin(bearer("AGT-of-nobody"));
  expect(await statusOf(second)).toBe(200);
  // The oldest gives way to one more.
  const third = await begin();
  expect(third.session).toBeDefined();
  expect(await statusOf(first)).toBe(404);
  expect(await statusOf(second)).toBe(200);

  for (let agent = 0; agent < 3; agent++) expect((await beginAsAgent()).session).toBeDefined();
  for (const stranger of [second, third]) expect(await statusOf(stranger)).toBe(404);
  // Now every place is an agent's.
  for (const headers of [{}, bearer((await api.authorize()).token)]) {
    const refused = await rawClient(gate.url).post(initializeText(), headers);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("60");
    await refused.text();
  }
});

it("counts a session as its agent's from the first valid token on", async () => {
  const { token } = await api.authorize();
  const { begin } = await gateWith({ maxSessions: 9, maxAnonymousSessions: 1 });
  const client = await begin();
  expect(await statusOf(client, bearer(token))).toBe(200);
  await begin();
  await begin();
  expect(await statusOf(client, bearer(token))).toBe(200);
});

it("begins no session without a valid token where the owner wants none", async () => {
  const { begin, beginAsAgent } = await gateWith({ maxAnonymousSessions: 0 });
  expect((await begin()).session).toBeUndefined();
  expect((await begin(bearer("AGT-of-nobody"))).session).toBeUndefined();
  expect((await beginAsAgent()).session).toBeDefined();
});

it("ends a session of nobody's sooner, though its stream is open, and leaves that of an agent", async () => {
  const { token } = await api.authorize();
  const { begin } = await gateWith({ anonymousIdleTimeout: 1_000 });
  const [stranger, agent] = [await begin(), await begin(bearer(token))];
  const [ended, open] = [await stranger.get(), await agent.get(bearer(token))];
  for await (const _ of eventsOf(ended));
  await until(async () => (await statusOf(stranger)) === 404);
  expect(await statusOf(agent, bearer(token))).toBe(200);
  await open.body?.cancel();
});

it("has one process for all who send no valid token, where there are no sessions", async () => {
  const gate = await openPaidGate(api, { upstream: oddServer().upstream, tools: { pid: "free" } });
  const client = rawClient(gate.url);
  const version = "2026-07-28";
  const meta = { "io.modelcontextprotocol/protocolVersion": version };
  const pidFor = async (token: string) => {
    const headers = { "mcp-protocol-version": version, "mcp-method": "tools/call", "mcp-name": "pid" };
    const response = await client.post(callText(1, "pid", {}, meta), { ...headers, ...bearer(token) });
    return (await lastMessage(response)).result.content[0].text;
  };
  const nobody = await pidFor("AGT-made-up");
  expect(await pidFor("AGT-made-up-too")).toBe(nobody);
  const [one, other] = [(await api.authorize()).token, (await api.authorize()).token];
  const pids = [await pidFor(one), await pidFor(other), await pidFor(one)];
  expect(new Set([nobody, ...pids]).size).toBe(3);
  expect(pids[2]).toBe(pids[0]);
});

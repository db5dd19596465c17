import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Api, startApi } from "../../mcp/test/api.ts";
import { connect, openPaidGate } from "./paid.ts";
import { callText, connectedClient, lastMessage, oddServer, rawClient } from "./support.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.close());

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const paid = { meterName: "api_calls" } as const;

/** Calls a tool of a gate, and reads the message that comes back. */
async function call(url: string, token: string | undefined, name: string, args?: object, meta?: object) {
  const client = await connectedClient(url);
  const response = await client.post(callText(1, name, args, meta), token === undefined ? {} : bearer(token));
  const message = await lastMessage(response);
  return { status: response.status, headers: response.headers, message };
}

it("answers 401 with where to go to a call that needs a token, and never sends it on", async () => {
  const odd = oddServer();
  const gate = await openPaidGate(api, { upstream: odd.upstream, tools: { echo: paid } });
  const none = await call(gate.url, undefined, "echo");
  expect(none.status).toBe(401);
  const metadata = gate.url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp");
  expect(none.headers.get("www-authenticate")).toBe(`Bearer resource_metadata="${metadata}"`);
  expect(none.message.result._meta["com.licentric/refusal"].code).toBe("missing_token");
  expect(await (await fetch(metadata)).json()).toMatchObject({ resource: gate.url });
  const bad = await call(gate.url, "AGT-nobody-has-this-one", "echo");
  expect(bad.status).toBe(401);
  expect(bad.headers.get("www-authenticate")).toContain('error="invalid_token"');
  expect(odd.lines().filter((line) => line.includes("tools/call"))).toEqual([]);
});

it("passes on what is free, and refuses as unknown what is hidden", async () => {
  const { token } = await api.authorize();
  const odd = oddServer();
  const gate = await openPaidGate(api, {
    upstream: odd.upstream,
    tools: { pid: "free", crash: "hidden" },
    default: paid,
  });
  expect((await call(gate.url, undefined, "pid")).status).toBe(200);
  const hidden = await call(gate.url, token, "crash");
  expect(hidden.message.error).toEqual({ code: -32_602, message: "Unknown tool: crash" });
  const client = await connectedClient(gate.url);
  const listed = await lastMessage(await client.post('{"jsonrpc":"2.0","id":1,"method":"tools/list"}'));
  const names = listed.result.tools.map(({ name }: { name: string }) => name);
  expect(names).toContain("echo");
  expect(names).not.toContain("crash");
});

it("has only the tools that the file names where all others are hidden", async () => {
  const gate = await openPaidGate(api, {
    upstream: oddServer().upstream,
    tools: { echo: paid },
    default: "hidden",
  });
  const agent = await connect(gate.url, undefined, "legacy");
  const { tools } = await agent.listTools();
  expect(tools.map(({ name }) => name)).toEqual(["echo"]);
  expect(tools[0]?._meta?.["com.licentric/charge"]).toMatchObject({ meterName: "api_calls", quantity: 1 });
});

it("never sends on a request that has no id, which nothing would settle", async () => {
  const odd = oddServer();
  const gate = await openPaidGate(api, { upstream: odd.upstream, tools: { echo: paid } });
  const client = await connectedClient(gate.url);
  const text = '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo","arguments":{}}}';
  await client.post(text);
  await client.post('{"jsonrpc":"2.0","method":"notifications/acme"}');
  await call(gate.url, (await api.authorize()).token, "echo", { after: true });
  const lines = odd.lines();
  expect(lines).toContain('{"jsonrpc":"2.0","method":"notifications/acme"}');
  expect(lines).not.toContain(text);
});

it("bills the quantity that stands in the arguments, and refuses what is none", async () => {
  const { agentId, token } = await api.authorize();
  const quantity = { argument: "/count", otherwise: 2 };
  const gate = await openPaidGate(api, {
    upstream: oddServer().upstream,
    tools: { echo: { ...paid, quantity } },
  });
  await call(gate.url, token, "echo", { count: 5 });
  expect(await api.billed(agentId)).toBe(5);
  await call(gate.url, token, "echo");
  expect(await api.billed(agentId)).toBe(7);
  const sentence =
    "The argument /count has to be a whole number from 0 to 1000000000: the call is billed by it.";
  for (const count of ["3", -1, 1.5, null]) {
    const { message } = await call(gate.url, token, "echo", { count });
    expect(message.error).toMatchObject({ code: -32_602, message: expect.stringContaining(sentence) });
  }
  const { message } = await call(gate.url, token, "echo", { Count: 3 });
  expect(message.error.message).toBe(`${sentence} "Count" is written "count".`);
  // Whose fault it is matters to those alone who may call.
  expect((await call(gate.url, undefined, "echo", { count: "3" })).status).toBe(401);
  expect(await api.billed(agentId)).toBe(7);
});

it("bills what the result says was used, and no more than was reserved", async () => {
  const { agentId, token } = await api.authorize();
  const python = fileURLToPath(new URL("./servers/counting.py", import.meta.url));
  const gate = await openPaidGate(api, {
    upstream: { command: "python3", args: [python] },
    tools: { count: { ...paid, charge: "reserve", quantity: 10, resultQuantity: "/structuredContent/used" } },
  });
  await call(gate.url, token, "count", { used: 4 });
  expect(await api.billed(agentId)).toBe(4);
  await call(gate.url, token, "count", { used: 40 });
  expect(await api.billed(agentId)).toBe(14);
  await call(gate.url, token, "count", { used: 3, fail: true });
  expect(await api.billed(agentId)).toBe(14);
});

it("bills no call that the upstream answered with an error, and passes the error on to the byte", async () => {
  const { agentId, token } = await api.authorize();
  const python = fileURLToPath(new URL("./servers/counting.py", import.meta.url));
  const gate = await openPaidGate(api, {
    upstream: { command: "python3", args: [python] },
    default: { ...paid, charge: "success" },
  });
  const client = await connectedClient(gate.url);
  const response = await client.post(callText("x", "unknown"), bearer(token));
  expect(await response.text()).toContain(
    '{"jsonrpc": "2.0", "id": "x", "error": {"code": -32602, "message": "Unknown tool", "data": 1e3}}',
  );
  expect(await api.billed(agentId)).toBe(0);
});

it("gives a repetition under an agent's key the first result, under its own id, and bills it once", async () => {
  const { agentId, token } = await api.authorize();
  const odd = oddServer();
  const gate = await openPaidGate(api, { upstream: odd.upstream, tools: { echo: paid } });
  const client = await connectedClient(gate.url);
  const meta = { "com.licentric/idempotencyKey": "order-1" };
  const first = await lastMessage(await client.post(callText(1, "echo", { a: 1 }, meta), bearer(token)));
  const second = await lastMessage(await client.post(callText(2, "echo", { a: 1 }, meta), bearer(token)));
  expect(second).toEqual({ ...first, id: 2 });
  expect(odd.lines().filter((line) => line.includes("tools/call"))).toHaveLength(1);
  expect(await api.billed(agentId)).toBe(1);
});

it("asks a token of every request but the handshake, where the file says so", async () => {
  const { token } = await api.authorize();
  const gate = await openPaidGate(api, { upstream: oddServer().upstream, requireToken: "all" });
  const client = await connectedClient(gate.url);
  const list = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
  const refused = await client.post(list);
  expect(refused.status).toBe(401);
  expect((await lastMessage(refused)).error.data.code).toBe("missing_token");
  expect((await lastMessage(await client.post(list, bearer(token)))).result.tools.length).toBeGreaterThan(0);
});

it("takes up other prices while it runs, and says what waits for the next start", async () => {
  const { agentId, token } = await api.authorize();
  const { upstream } = oddServer();
  const gate = await openPaidGate(api, { upstream, tools: { echo: paid } });
  await call(gate.url, token, "echo");
  const tools = { echo: { ...paid, quantity: 5 } };
  expect(gate.change({ upstream, port: 9, baseUrl: api.url, tools })).toEqual(["port"]);
  await call(gate.url, token, "echo");
  expect(await api.billed(agentId)).toBe(6);
});

it("settles what a dead upstream leaves behind: nothing is billed, and what was reserved is free again", async () => {
  const { agentId, token } = await api.authorize();
  await api.client.budgets.create({
    agentId,
    meterName: "api_calls",
    limit: 1,
    window: "day",
  });
  const gate = await openPaidGate(api, {
    upstream: oddServer().upstream,
    default: { ...paid, charge: "reserve", enforceBudget: true },
  });
  const { message } = await call(gate.url, token, "crash");
  expect(message.error.message).toContain("ended");
  expect(await api.billed(agentId)).toBe(0);
  expect((await call(gate.url, token, "echo")).message.result.isError).toBeUndefined();
  expect(await api.billed(agentId)).toBe(1);
});

it.each([
  ["call", 1, "The call was billed, as it is charged for being made: another try is another call."],
  ["success", 0, "The call was not billed."],
  ["reserve", 0, "The call was not billed."],
] as const)(
  "says of a call that its server did not survive whether it was billed: charge %s",
  async (charge, billed, sentence) => {
    const { agentId, token } = await api.authorize();
    const gate = await openPaidGate(api, { upstream: oddServer().upstream, default: { ...paid, charge } });
    const meta = { "com.licentric/idempotencyKey": "order-1" };
    const lost = (await call(gate.url, token, "crash", {}, meta)).message.error;
    expect(lost.message).toMatch(/ended \(exit code 7\) before it answered/);
    expect(lost.message.endsWith(sentence)).toBe(true);
    expect(await api.billed(agentId)).toBe(billed);
    if (billed === 0) return;
    // Under the same key: it is not run again, and told in the same words.
    expect((await call(gate.url, token, "crash", {}, meta)).message.error).toEqual(lost);
    expect(await api.billed(agentId)).toBe(billed);
  },
);

it("says nothing of a bill to a request that costs nothing", async () => {
  const gate = await openPaidGate(api, { upstream: oddServer().upstream });
  const client = await connectedClient(gate.url);
  const { error } = await lastMessage(await client.post('{"jsonrpc":"2.0","id":1,"method":"odd/crash"}'));
  expect(error.message).toMatch(/is started again: try once more\.$/);
});

it("says on the owner's terminal that a file's name is no tool's", async () => {
  const warned = new Promise<string>((resolve) => {
    const hear = ({ name, message }: Error) => {
      if (name !== "LicentricWarning" || !message.includes("ecko")) return;
      process.off("warning", hear);
      resolve(message);
    };
    process.on("warning", hear);
  });
  const gate = await openPaidGate(api, { upstream: oddServer().upstream, tools: { ecko: paid } });
  const client = rawClient(gate.url);
  client.session = (await connectedClient(gate.url)).session;
  await client.post('{"jsonrpc":"2.0","id":1,"method":"tools/list"}');
  expect(await warned).toMatch(/^licentric\.gate\.json: tools\.ecko is the name of no tool/);
});

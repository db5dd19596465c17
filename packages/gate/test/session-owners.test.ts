import { afterAll, beforeAll, expect, it } from "vitest";
import { type Api, startApi } from "../../mcp/test/api.ts";
import { openPaidGate } from "./paid.ts";
import { callText, connectedClient, lastMessage, oddServer } from "./support.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.close());

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const paid = { meterName: "api_calls" } as const;

it("lets nobody into the session of another agent, and an agent with another token of its own", async () => {
  const [owner, thief] = [await api.authorize(), await api.authorize()];
  const gate = await openPaidGate(api, { upstream: oddServer().upstream, tools: { echo: paid } });
  const client = await connectedClient(gate.url);
  const call = (token: string) => client.post(callText(1, "echo", { text: "mine" }), bearer(token));
  const response = await call(owner.token);
  expect(response.status).toBe(200);
  expect(JSON.stringify(await lastMessage(response))).toContain("mine");

  const end = (headers: Record<string, string>) =>
    fetch(gate.url, { method: "DELETE", headers: { "mcp-session-id": client.session ?? "", ...headers } });
  const resumed = { "last-event-id": "1-0" };
  for (const attempt of [
    () => client.get({ ...bearer(thief.token), ...resumed }),
    () => call(thief.token),
    () => client.post('{"jsonrpc":"2.0","id":7,"result":{}}', bearer(thief.token)),
    () => end(bearer(thief.token)),
  ]) {
    const refused = await attempt();
    expect(refused.status).toBe(404);
    expect(await refused.json()).toMatchObject({ error: { code: -32_001 } });
  }
  for (const attempt of [() => client.get(resumed), () => end({}), () => end(bearer("AGT-of-nobody"))]) {
    const refused = await attempt();
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toMatch(/^Bearer /);
    await refused.text();
  }

  const { token } = await api.client.mcp.authorize(owner.agentId, { scopes: ["mcp:invoke"] });
  // A stream begins before its call is billed: its message comes behind that.
  for (const own of [token.reveal(), owner.token])
    expect(JSON.stringify(await lastMessage(await call(own)))).toContain("mine");
  expect(await api.billed(owner.agentId)).toBe(3);
  expect(await api.billed(thief.agentId)).toBe(0);
  expect((await end(bearer(owner.token))).status).toBe(200);
});

it("leaves a session without a token to whoever knows it, until a token is sent in it", async () => {
  const { token } = await api.authorize();
  const gate = await openPaidGate(api, { upstream: oddServer().upstream, tools: { echo: paid } });
  const client = await connectedClient(gate.url);
  const list = (headers: Record<string, string> = {}) =>
    client.post('{"jsonrpc":"2.0","id":1,"method":"tools/list"}', headers);
  expect((await list()).status).toBe(200);
  // A token that is no good binds nothing, and keeps nobody from what is free.
  expect((await list(bearer("AGT-of-nobody"))).status).toBe(200);
  expect((await list()).status).toBe(200);
  expect((await list(bearer(token))).status).toBe(200);
  expect((await list()).status).toBe(401);
});

it.each([false, true])(
  "hands tasks of the same number to the agent of each process: stateless %s",
  async (stateless) => {
    const [one, other] = [await api.authorize(), await api.authorize()];
    const gate = await openPaidGate(api, {
      upstream: { ...oddServer().upstream, stateless },
      tools: { task: paid },
    });
    const begun = [];
    for (const { token } of [one, other]) {
      const client = await connectedClient(gate.url);
      const { result } = await lastMessage(await client.post(callText(1, "task"), bearer(token)));
      begun.push({ client, token, taskId: result.task.taskId });
    }
    // One process numbers the tasks of all, and of processes of their own each has its first.
    expect(begun.map(({ taskId }) => taskId)).toEqual(["1", stateless ? "2" : "1"]);
    for (const { client, token, taskId: own } of begun)
      for (const taskId of ["1", "2"]) {
        const params = { taskId };
        const asked = JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tasks/get", params });
        const { result, error } = await lastMessage(await client.post(asked, bearer(token)));
        if (taskId === own) expect(result).toMatchObject({ taskId, status: "working" });
        else expect(error.message).toBe(`Task not found: ${taskId}`);
      }
  },
);

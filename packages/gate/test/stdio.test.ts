import { describe, expect, it } from "vitest";
import {
  callText,
  connectedClient,
  eventsOf,
  initializeText,
  isAlive,
  lastMessage,
  messagesOf,
  oddServer,
  openGate,
  rawClient,
  until,
} from "./support.ts";

describe("messages of a stdio upstream", () => {
  it("arrive equal to the byte, whatever they are", async () => {
    const { upstream, lines } = oddServer();
    const client = await connectedClient((await openGate(upstream)).url);
    const request = `{"method":"never/heard","params":{"x":1.0,"y":1e400,"z":[12345678901234567890, "\\u00e9/é"],"_meta":{}} ,"id":7.0,"jsonrpc":"2.0","own":{"b":null} }`;
    const texts = await messagesOf(await client.post(request));
    expect(lines().at(-1)).toBe(request);
    expect(texts).toEqual([
      `{ "jsonrpc":"2.0","method":"unheard/of", "params":{"n":1.50,"big":12345678901234567890,"e":1E+2,"s":"\\u00e9\\/é"},"extra":[ ] }`,
      `{"result" :{"of":1.0, "big":98765432109876543210,"s":"\\u00e9"},"id":7.0,"jsonrpc":"2.0","odd":{"a":-0.0} }`,
    ]);
    const notification = `{"jsonrpc":"2.0","method":"notifications/never/heard" ,"params":{"n":0.10}}`;
    expect((await client.post(notification)).status).toBe(202);
    await until(() => lines().at(-1) === notification);
  });

  it("are one line each: newlines between tokens become spaces", async () => {
    const { upstream, lines } = oddServer();
    const client = await connectedClient((await openGate(upstream)).url);
    await messagesOf(await client.post('{"jsonrpc":"2.0",\r\n"id":1,\n"method":"ping"}'));
    expect(lines().at(-1)).toBe('{"jsonrpc":"2.0",  "id":1, "method":"ping"}');
  });

  it("go to the stream that they belong to", async () => {
    const client = await connectedClient((await openGate(oddServer().upstream)).url);
    const own = await client.get();
    const slow = await client.post(callText(1, "slow"));
    const progress = await messagesOf(await client.post(callText(2, "progress", {}, { progressToken: "p" })));
    expect(progress.map((text) => JSON.parse(text).method)).toEqual([
      "notifications/progress",
      "notifications/progress",
      undefined,
    ]);
    expect(await messagesOf(await client.post(callText(3, "announce")))).toHaveLength(1);
    for await (const { data } of eventsOf(own)) {
      expect(JSON.parse(data).method).toBe("notifications/tools/list_changed");
      break;
    }
    await slow.body?.cancel();
  });

  it("carry a question to the client and its answer back", async () => {
    const client = await connectedClient((await openGate(oddServer().upstream)).url);
    const events = eventsOf(await client.post(callText(1, "ask", { method: "elicitation/unheard" })));
    const answer = '{"jsonrpc":"2.0","id":"from-server-1","result":{"n":1.0,"odd":true} }';
    let last = "";
    for await (const { data } of events) {
      if (data === "") continue;
      last = data;
      if (JSON.parse(data).method === "elicitation/unheard")
        expect((await client.post(answer)).status).toBe(202);
    }
    expect(JSON.parse(last).result.content[0].text).toBe(answer);
  });
});

describe("a session", () => {
  it("has a process of its own, which ends with it", async () => {
    const { url } = await openGate(oddServer().upstream);
    const clients = [await connectedClient(url), await connectedClient(url)];
    const pids = await Promise.all(
      clients.map(async (client) =>
        Number((await lastMessage(await client.post(callText(1, "pid")))).result.content[0].text),
      ),
    );
    expect(new Set(pids).size).toBe(2);
    const [first] = clients;
    const headers = { "mcp-session-id": first?.session ?? "" };
    expect((await fetch(url, { method: "DELETE", headers })).status).toBe(200);
    await until(() => !isAlive(pids[0] ?? 0));
    expect(isAlive(pids[1] ?? 0)).toBe(true);
    expect((await first?.post(callText(2, "pid")))?.status).toBe(404);
  });

  it("that is not known is answered 404, one that is missing 400, and a ping needs none", async () => {
    const { url } = await openGate(oddServer().upstream);
    const client = rawClient(url);
    expect((await client.post(callText(1, "echo"))).status).toBe(400);
    expect(await lastMessage(await client.post('{"jsonrpc":"2.0","id":"p","method":"ping"}'))).toEqual({
      jsonrpc: "2.0",
      id: "p",
      result: {},
    });
    client.session = "never-was";
    expect((await client.post(callText(1, "echo"))).status).toBe(404);
    expect((await client.get()).status).toBe(404);
    expect((await fetch(url, { method: "DELETE", headers: { "mcp-session-id": "never-was" } })).status).toBe(
      404,
    );
  });

  it("is refused beyond the limit, and ends when it is idle", async () => {
    const { url } = await openGate(oddServer().upstream, { limits: { maxSessions: 1, idleTimeout: 400 } });
    const first = await connectedClient(url);
    const refused = await rawClient(url).post(initializeText());
    expect(refused.status).toBe(503);
    expect((await lastMessage(refused)).error.message).toMatch(/has its 1 sessions/);
    await until(async () => (await rawClient(url).post(initializeText())).status === 200);
    expect((await first.post(callText(1, "echo"))).status).toBe(404);
  });

  it("keeps the agent's token and the gate's own secrets from the upstream", async () => {
    process.env["LICENTRIC_API_KEY"] = "lk_test_never";
    const { upstream, lines } = oddServer({ OWNERS: "own" });
    const client = await connectedClient((await openGate(upstream)).url);
    const called = await client.post(callText(1, "environment"), { authorization: "Bearer AGT-secret" });
    delete process.env["LICENTRIC_API_KEY"];
    const environment = JSON.parse((await lastMessage(called)).result.content[0].text);
    expect(environment.OWNERS).toBe("own");
    expect(environment.PATH).toBe(process.env["PATH"]);
    expect(JSON.stringify(environment)).not.toMatch(/LICENTRIC_|AGT-secret|lk_test/);
    expect(lines().join("\n")).not.toContain("AGT-secret");
  });
});

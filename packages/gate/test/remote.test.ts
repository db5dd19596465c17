import type { ServerResponse } from "node:http";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Answer, oddRemote, type Seen } from "./odd-remote.ts";
import { clientV1, clientV2, sdkHttp } from "./official.ts";
import {
  callText,
  connectedClient,
  eventsOf,
  initializeText,
  lastMessage,
  messagesOf,
  openGate,
  PASS_ALL,
  rawClient,
  until,
} from "./support.ts";

const EVENTS = { "content-type": "text/event-stream" };

describe("messages of a remote upstream", () => {
  const unheard = `{ "jsonrpc":"2.0","method":"unheard/of", "params":{"n":1.50,"big":12345678901234567890,"s":"\\u00e9\\/é"} }`;
  const odd = `{"result" :{"of":1.0, "n":98765432109876543210},"id":7.0,"jsonrpc":"2.0","odd":{"a":-0.0} }`;
  const request = `{"method":"never/heard","params":{"x":1.0,"y":1e400},"id":7.0,"jsonrpc":"2.0","own":{"b":null} }`;

  it("arrive equal to the byte, event by event", async () => {
    let finish = () => {};
    const { url, seen } = await oddRemote((_, response) => {
      response.writeHead(200, EVENTS).write(`id: theirs\nevent: message\ndata: ${unheard}\n\n`);
      finish = () => void response.end(`data: ${odd}\n\n`);
    });
    const client = await connectedClient((await openGate({ url })).url);
    const texts: string[] = [];
    for await (const { data } of eventsOf(await client.post(request))) {
      if (data === "") continue;
      texts.push(data);
      finish();
    }
    expect(texts).toEqual([unheard, odd]);
    expect(seen.at(-1)?.body).toBe(request);
    const notification = `{"jsonrpc":"2.0","method":"notifications/never/heard" ,"params":{"n":0.10}}`;
    expect((await client.post(notification)).status).toBe(202);
    expect(seen.at(-1)?.body).toBe(notification);
  });

  it("arrive as JSON where they come as JSON, without a session too", async () => {
    const { url } = await oddRemote((_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(odd);
    });
    const response = await rawClient((await openGate({ url })).url).post(request);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe(odd);
  });

  it("come with the owner's headers and MCP's, and never with the agent's token", async () => {
    const { url, seen } = await oddRemote((_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(odd);
    });
    const gate = await openGate(
      { url, headers: { Authorization: "Bearer owners", "x-own": "1" }, sendAgentId: true },
      {
        rules: {
          ...PASS_ALL,
          request: async (_, send) => ({ text: (await send({ agentId: "agent-7" })).text }),
        },
      },
    );
    const client = await connectedClient(gate.url);
    await client.post(request, {
      authorization: "Bearer AGT-secret",
      cookie: "a=b",
      "x-licentric-agent-id": "forged",
      "mcp-method": "never/heard",
      "mcp-protocol-version": "2025-11-25",
    });
    const { headers } = seen.at(-1) ?? { headers: {} };
    expect(headers).toMatchObject({
      authorization: "Bearer owners",
      "x-own": "1",
      "x-licentric-agent-id": "agent-7",
      "mcp-session-id": "upstreams-own",
      "mcp-method": "never/heard",
      "mcp-protocol-version": "2025-11-25",
    });
    expect(JSON.stringify(seen)).not.toMatch(/AGT-secret|a=b|forged/);
  });

  it("are resumed where the upstream's stream breaks off", async () => {
    const { url, seen } = await oddRemote(({ method }, response) => {
      response.writeHead(200, EVENTS);
      if (method === "POST") response.end("retry: 20\nid: here\ndata: \n\n");
      else response.end(`id: there\ndata: ${odd}\n\n`);
    });
    const client = await connectedClient((await openGate({ url })).url);
    expect(await messagesOf(await client.post(request))).toEqual([odd]);
    expect(seen.at(-1)).toMatchObject({ method: "GET", headers: { "last-event-id": "here" } });
  });

  it("that belong to no request come on the session's own stream", async () => {
    const { url } = await oddRemote((_, response) => {
      response.writeHead(200, EVENTS).write(`data: ${unheard}\n\n`);
    });
    const client = await connectedClient((await openGate({ url })).url);
    for await (const { data } of eventsOf(await client.get())) {
      expect(data).toBe(unheard);
      break;
    }
  });
});

describe("a remote upstream", () => {
  const asksFor = async (retry: number) => {
    const asked: number[] = [];
    const { url } = await oddRemote(({ method, body }, response) => {
      if (method === "POST") {
        const { id } = JSON.parse(body);
        return void response.writeHead(200, EVENTS).end(`data: {"jsonrpc":"2.0","id":${id},"result":{}}\n\n`);
      }
      asked.push(performance.now());
      response.writeHead(200, EVENTS).end(`retry: ${retry}\ndata: \n\n`);
    });
    const client = await connectedClient((await openGate({ url })).url);
    const own = await client.get();
    onTestFinished(() => own.body?.cancel());
    return { asked, client };
  };

  it("that asks to be asked at once is given time", async () => {
    const { asked } = await asksFor(0);
    await until(() => asked.length === 4);
    expect((asked[3] ?? 0) - (asked[0] ?? 0)).toBeGreaterThan(250);
  });

  it("that asks for more time than a timer takes is not asked at once", async () => {
    const { asked, client } = await asksFor(99_999_999_999);
    for (let id = 0; id < 20; id++) await (await client.post(callText(id, "any"))).text();
    expect(asked).toHaveLength(1);
  });

  const failed = async (answer: Answer, limits = {}) => {
    const { url } = await oddRemote(answer);
    const client = await connectedClient((await openGate({ url }, { limits })).url);
    const response = await client.post(callText(1, "any"));
    return { status: response.status, message: (await lastMessage(response)).error.message as string };
  };

  it.each<[string, Answer, RegExp]>([
    [
      "a page",
      (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<h1>"),
      /with text\/html without a response/,
    ],
    [
      "a page and 502",
      (_, response) => response.writeHead(502).end("<h1>"),
      /answered HTTP 502 and no MCP message/,
    ],
    [
      "a redirect",
      (_, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
      /HTTP 302/,
    ],
    [
      "401 to the owner's headers",
      (_, response) => response.writeHead(401).end(),
      /does not accept the gate's own credentials/,
    ],
    ["nothing", (_, response) => response.writeHead(202).end(), /HTTP 202 with nothing/],
    [
      "a stream that ends",
      (_, response) => response.writeHead(200, EVENTS).end(),
      /ended its stream without a response/,
    ],
    ["a broken connection", (_, response) => response.destroy(), /cannot be reached \(UND_ERR_SOCKET\)/],
    [
      "another's response",
      (_, response) =>
        response.writeHead(200, { "content-type": "application/json" }).end('{"id":2,"result":{}}'),
      /without a response/,
    ],
  ])("that answers with %s is told in one sentence", async (_, answer, message) => {
    const got = await failed(answer);
    expect(got.status).toBe(200);
    expect(got.message).toMatch(message);
  });

  it("that is slow, or answers with 100 MB, is told in one sentence", async () => {
    expect((await failed(() => {}, { callTimeout: 3_000 })).message).toMatch(/no response within/);
    const piece = "x".repeat(1_048_576);
    const large = async (_: Seen, response: ServerResponse) => {
      response.writeHead(200, EVENTS).write('data: {"jsonrpc":"2.0","id":1,"result":"');
      const closed = new Promise((resolve) => response.once("close", resolve));
      for (let count = 0; count < 100 && !response.destroyed; count++)
        await Promise.race([closed, new Promise((resolve) => response.write(piece, resolve))]);
      response.end('"}\n\n');
    };
    expect((await failed((seen, response) => void large(seen, response))).message).toMatch(/larger than/);
  }, 30_000);

  it("that is away is told in one sentence, and no session begins", async () => {
    const { url, said } = await openGate({ url: "http://127.0.0.1:9/mcp" });
    await (await rawClient(url).post(initializeText())).text();
    const response = await rawClient(url).post(initializeText());
    const away =
      "the upstream cannot be reached (ECONNREFUSED): until it can, requests are answered with an error";
    expect(said.filter((sentence) => sentence.includes("cannot be reached"))).toEqual([away]);
    expect(response.headers.get("mcp-session-id")).toBeNull();
    expect((await lastMessage(response)).error.message).toBe(
      "The MCP server behind this gate cannot be reached (ECONNREFUSED).",
    );
  });

  it("that refuses a message by HTTP has its status and its words passed on", async () => {
    const refusal = '{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"header", "data":{"n":1.0}}}';
    const { url } = await oddRemote((_, response) =>
      response.writeHead(400, { "content-type": "application/json" }).end(refusal),
    );
    const client = await connectedClient((await openGate({ url })).url);
    const response = await client.post(callText(1, "any"));
    expect(response.status).toBe(400);
    expect(await response.text()).toBe(refusal);
  });

  it("that was restarted is answered 404, so that clients begin anew", async () => {
    const upstream = await sdkHttp("v1-sessions");
    const { url } = await openGate({ url: upstream.url });
    const client = await connectedClient(url);
    expect((await lastMessage(await client.post(callText(1, "echo", { text: "a" })))).result).toBeDefined();
    await upstream.kill();
    expect((await lastMessage(await client.post(callText(2, "echo", { text: "b" })))).error.message).toMatch(
      /cannot be reached/,
    );
    await sdkHttp("v1-sessions", upstream.port);
    expect((await client.post(callText(3, "echo", { text: "c" }))).status).toBe(404);
    expect((await client.post(callText(4, "echo", { text: "d" }))).status).toBe(404);
    for (const connect of [clientV1, clientV2]) {
      const next = await connect(url);
      expect(await next.call("echo", { text: "e" })).toBe("e");
    }
  });

  it("is told of a cancelled call, and of a session that ends", async () => {
    const { url, seen } = await oddRemote(
      (_, response) => void response.writeHead(200, EVENTS).flushHeaders(),
    );
    const client = await connectedClient((await openGate({ url })).url);
    const called = await client.post(callText("c", "slow"));
    const cancelled =
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c", "why":1.0}}';
    await client.post(cancelled);
    expect(await messagesOf(called)).toEqual([]);
    await until(() => seen.at(-1)?.body === cancelled);
    const again = await lastMessage(await client.post('{"jsonrpc":"2.0","id":"c","method":"ping"}'));
    expect(again.error).toMatchObject({ code: -32_600, message: expect.stringContaining("cancelled") });
    expect(seen.filter(({ body }) => body.includes("ping"))).toEqual([]);
    await fetch(client.url, { method: "DELETE", headers: { "mcp-session-id": client.session ?? "" } });
    await until(() => seen.at(-1)?.method === "DELETE");
    expect(seen.at(-1)?.headers["mcp-session-id"]).toBe("upstreams-own");
  });
});

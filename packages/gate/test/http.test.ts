import { request as httpRequest } from "node:http";
import { describe, expect, it } from "vitest";
import {
  callText,
  connectedClient,
  eventsOf,
  initializeText,
  lastMessage,
  messagesOf,
  oddServer,
  openGate,
  PASS_ALL,
  rawClient,
  until,
} from "./support.ts";

/** Sends a request with headers that `fetch` would set by itself; returns the status. */
function statusOf(url: string, headers: Record<string, string>, body = initializeText()): Promise<number> {
  const own = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  return new Promise((resolve, reject) => {
    httpRequest(url, { method: "POST", headers: { ...own, ...headers } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .once("error", reject)
      .end(body);
  });
}

describe("the HTTP front", () => {
  it("keeps web pages out that are not allowed", async () => {
    const { url } = await openGate(oddServer().upstream);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/mcp$/);
    expect(await statusOf(url, { host: "evil.example" })).toBe(403);
    expect(await statusOf(url, { host: "evil.example:80" })).toBe(403);
    expect(await statusOf(url, { origin: "https://evil.example" })).toBe(403);
    expect(await statusOf(url, { origin: "http://localhost.evil.example" })).toBe(403);
    expect(await statusOf(url, { origin: "null" })).toBe(403);
    expect(await statusOf(url, { host: "localhost:7" })).toBe(200);
    expect(await statusOf(url, { origin: "http://localhost:5173" })).toBe(200);
  });

  it("lets in hosts and origins that its owner names, and lets their pages read", async () => {
    const { url } = await openGate(oddServer().upstream, {
      allowedHosts: ["mcp.example.com"],
      allowedOrigins: ["https://app.example.com"],
    });
    expect(await statusOf(url, {})).toBe(403);
    const host = { host: "mcp.example.com" };
    expect(await statusOf(url, host)).toBe(200);
    expect(await statusOf(url, { ...host, origin: "http://localhost:5173" })).toBe(403);
    expect(await statusOf(url, { ...host, origin: "https://app.example.com" })).toBe(200);
    const open = await openGate(oddServer().upstream, { allowedOrigins: ["https://app.example.com"] });
    const origin = { origin: "https://app.example.com" };
    const asked = await fetch(open.url, {
      method: "OPTIONS",
      headers: { ...origin, "access-control-request-headers": "mcp-session-id" },
    });
    expect(asked.status).toBe(204);
    expect(asked.headers.get("access-control-allow-origin")).toBe(origin.origin);
    expect(asked.headers.get("access-control-allow-headers")).toBe("mcp-session-id");
    const read = await rawClient(open.url).post(initializeText(), origin);
    expect(read.headers.get("access-control-expose-headers")).toContain("mcp-session-id");
  });

  it("refuses what it cannot take, each in a sentence", async () => {
    const { url } = await openGate(oddServer().upstream, { limits: { maxMessageBytes: 5_000 } });
    const client = await connectedClient(url);
    const refused = async (response: Promise<Response>) => {
      const got = await response;
      return `${got.status} ${(await lastMessage(got)).error.message}`;
    };
    expect(await refused(client.post("{"))).toBe("400 This is not valid JSON.");
    expect(await refused(client.post(callText(1, "x".repeat(6_000))))).toBe(
      "413 A request has at most 5000 bytes.",
    );
    expect(await refused(client.post(callText(1, "echo"), { "content-type": "text/plain" }))).toMatch(
      /^415 /,
    );
    expect(await refused(client.post(callText(1, "echo"), { accept: "application/json" }))).toMatch(/^406 /);
    expect(await refused(client.post(callText(1, "echo"), { "mcp-protocol-version": "1999-01-01" }))).toMatch(
      /^400 /,
    );
    expect(await refused(client.post('{"jsonrpc":"2.0","id":null,"method":"tools/call"}'))).toMatch(
      /^400 The id/,
    );
    expect(await refused(client.post(`[${callText(1, "echo")}]`))).toMatch(/^400 Batches/);
    expect(await refused(client.get({ accept: "application/json" }))).toMatch(/^406 /);
    expect(await refused(fetch(url, { method: "PUT", body: "" }))).toMatch(/^405 /);
    expect(await refused(fetch(url.replace("/mcp", "/other")))).toMatch(/^404 /);
    expect(await refused(fetch(url, { method: "DELETE" }))).toMatch(/^400 /);
    const latin = Buffer.from(callText(1, "é"), "latin1");
    expect(await refused(client.post(latin as unknown as string))).toBe("400 The body is not UTF-8.");
  });

  it("takes batches where the version has them, and answers each request of them", async () => {
    const client = await connectedClient((await openGate(oddServer().upstream)).url, "2025-03-26");
    const batch = `[${callText(1, "echo")}, {"jsonrpc":"2.0","method":"notifications/odd"},${callText("b", "echo")}]`;
    const texts = await messagesOf(await client.post(batch));
    const ids = texts
      .map((text) => JSON.parse(text))
      .filter(({ id }) => id !== undefined)
      .map(({ id }) => id);
    expect(ids).toEqual([1, "b"]);
    expect((await client.post('[{"jsonrpc":"2.0","method":"notifications/odd"}]')).status).toBe(202);
  });

  it("sends the rules' own responses, with their status where nothing is on the way", async () => {
    const refusal = '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no token"}}';
    const { url } = await openGate(oddServer().upstream, {
      rules: {
        ...PASS_ALL,
        page: (path) => (path === "/.well-known/x" ? { status: 200, body: "{}" } : undefined),
        notification: ({ method }) => method !== "notifications/dropped",
        request: async (request, send) => {
          if (request.token === "AGT-good" || request.method === "initialize")
            return PASS_ALL.request(request, send);
          return { text: refusal, http: { status: 401, headers: { "www-authenticate": "Bearer" } } };
        },
      },
    });
    const client = await connectedClient(url);
    const refused = await client.post(callText(1, "echo"));
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toBe("Bearer");
    expect(await refused.text()).toBe(refusal);
    const passed = await client.post(callText(1, "echo"), { authorization: "bearer AGT-good" });
    expect((await lastMessage(passed)).result).toBeDefined();
    expect(await (await fetch(url.replace("/mcp", "/.well-known/x"))).text()).toBe("{}");
    expect((await client.post('{"jsonrpc":"2.0","method":"notifications/dropped"}')).status).toBe(202);
  });

  it("asks the rules before anything else of a request is read", async () => {
    const { url } = await openGate(oddServer().upstream, {
      rules: {
        ...PASS_ALL,
        admit: ({ token }) => (token === undefined ? { status: 401, body: "{}" } : undefined),
      },
    });
    expect((await rawClient(url).post("{")).status).toBe(401);
    expect((await rawClient(url).get()).status).toBe(401);
  });

  it("tells its owner of rules that fail, and the agent no more than that", async () => {
    const { url, said } = await openGate(oddServer().upstream, {
      rules: {
        ...PASS_ALL,
        request: (request, send) => {
          if (request.method !== "initialize") throw new Error("secret of the owner");
          return PASS_ALL.request(request, send);
        },
      },
    });
    const client = await connectedClient(url);
    const answer = await lastMessage(await client.post(callText(1, "echo")));
    expect(answer.error.message).toBe("The gate could not handle the request. Its owner has been told.");
    expect(said).toEqual(["a request failed: secret of the owner"]);
  });

  it("sends a message to one stream alone, and to the older one when the newer has gone", async () => {
    const client = await connectedClient((await openGate(oddServer().upstream)).url);
    const older = eventsOf(await client.get());
    const newer = eventsOf(await client.get());
    await messagesOf(await client.post(callText(1, "announce")));
    const { value: first } = await newer.next();
    expect(first?.data).toContain("list_changed");
    await newer.return(undefined);
    let heard: string | undefined;
    void older.next().then(({ value }) => {
      heard = value?.id;
    });
    await until(async () => {
      await messagesOf(await client.post(callText(2, "announce")));
      return heard !== undefined;
    });
    expect(heard).not.toBe(first?.id);
  });

  it("keeps what a session's own stream missed, as far as it is bounded", async () => {
    const client = await connectedClient((await openGate(oddServer().upstream)).url);
    for (const id of [1, 2]) await messagesOf(await client.post(callText(id, "announce")));
    const events = eventsOf(await client.get());
    const ids = [(await events.next()).value?.id, (await events.next()).value?.id];
    expect(ids).toEqual(["0-1", "0-2"]);
    await events.return(undefined);
    const again = eventsOf(await client.get({ "last-event-id": "0-1" }));
    expect((await again.next()).value?.id).toBe("0-2");
  });

  it("forgets the oldest of what clients could resume, and says so", async () => {
    const client = await connectedClient((await openGate(oddServer().upstream)).url);
    const starts: string[] = [];
    for (const id of [1, 2]) {
      const response = await client.post(callText(id, "echo", { long: "x".repeat(700_000) }));
      for await (const { id: event } of eventsOf(response)) if (event?.endsWith("-0")) starts.push(event);
    }
    const [first = "", second = ""] = starts;
    const forgotten = await client.get({ "last-event-id": first });
    expect(forgotten.status).toBe(400);
    expect((await lastMessage(forgotten)).error.message).toMatch(/not kept any more/);
    expect((await lastMessage(await client.get({ "last-event-id": second }))).id).toBe(2);
  });
});

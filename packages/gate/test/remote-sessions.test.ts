import { describe, expect, it } from "vitest";
import { oddRemote } from "./odd-remote.ts";
import {
  callText,
  connectedClient,
  initializeText,
  lastMessage,
  openGate,
  rawClient,
  until,
} from "./support.ts";

describe("a remote upstream", () => {
  it("that gives two clients one session has the second refused, and the first goes on", async () => {
    const { url, seen } = await oddRemote(({ method, body }, response) => {
      if (method === "DELETE") return void response.writeHead(200).end();
      const { id } = JSON.parse(body);
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(`{"jsonrpc":"2.0","id":${id},"result":{}}`);
    });
    const { url: gateUrl, said } = await openGate({ url });
    const first = await connectedClient(gateUrl);
    expect(first.session).toBeDefined();
    const refused = await rawClient(gateUrl).post(initializeText());
    expect(refused.headers.get("mcp-session-id")).toBeNull();
    expect((await lastMessage(refused)).error.message).toMatch(/gave this client the session of another/);
    expect(said).toEqual([expect.stringContaining("gave two clients one session")]);
    // Nothing of the first one's was ended with it.
    expect(seen.filter(({ method }) => method === "DELETE")).toEqual([]);
    expect((await lastMessage(await first.post(callText(1, "any")))).result).toEqual({});
    await fetch(first.url, { method: "DELETE", headers: { "mcp-session-id": first.session ?? "" } });
    await until(() => seen.at(-1)?.method === "DELETE");
    await until(async () => (await connectedClient(gateUrl)).session !== undefined);
  });

  it("has its session known to its client by an id of the gate's own, which nobody can guess", async () => {
    const { url, seen } = await oddRemote((_, response) => void response.writeHead(202).end());
    const gate = await openGate({ url });
    const client = await connectedClient(gate.url);
    expect(client.session).toMatch(/^[0-9a-f-]{36}$/);
    expect(seen.at(-1)?.headers["mcp-session-id"]).toBe("upstreams-own");
    const guessed = await fetch(gate.url, {
      method: "DELETE",
      headers: { "mcp-session-id": "upstreams-own" },
    });
    expect(guessed.status).toBe(404);
  });
});

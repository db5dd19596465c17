import { describe, expect, it } from "vitest";
import { clientV1, clientV2, type OfficialClient, sdkHttp, sdkStdio } from "./official.ts";
import { openGate } from "./support.ts";

const CLIENTS = {
  "client v1": (url: string) => clientV1(url),
  "client v2, with sessions": (url: string) => clientV2(url, "legacy"),
  "client v2, of either era": (url: string) => clientV2(url),
};

const UPSTREAMS = {
  "stdio v1": async () => sdkStdio("v1-stdio"),
  "stdio v2": async () => sdkStdio("v2-stdio"),
  "remote v1 with sessions": async () => ({ url: (await sdkHttp("v1-sessions")).url }),
  "remote v1 without": async () => ({ url: (await sdkHttp("v1-stateless")).url }),
  "remote v2": async () => ({ url: (await sdkHttp("v2")).url }),
};

const progressOf = async (client: OfficialClient) => {
  let count = 0;
  const text = await client.call("progress", {}, { onprogress: () => void count++ });
  return `${text} ${count}`;
};

describe.each(Object.entries(CLIENTS))("%s", (clientName, connect) => {
  it.each(Object.entries(UPSTREAMS))("through the gate to %s", async (upstreamName, start) => {
    const { url } = await openGate(await start());
    const client = await connect(url);
    const isModern = clientName.includes("either era") && upstreamName.includes("v2");
    expect(client.version).toBe(isModern ? "2026-07-28" : "2025-11-25");
    expect(await client.call("echo", { text: "one" })).toBe("one");
    const all = await Promise.all(["a", "b", "c", "d"].map((text) => client.call("echo", { text })));
    expect(all).toEqual(["a", "b", "c", "d"]);
    expect(await progressOf(client)).toBe("done 2");
    await client.close();
  });

  it.each([
    ["stdio v1", UPSTREAMS["stdio v1"]],
    ["remote v1 with sessions", UPSTREAMS["remote v1 with sessions"]],
  ])("is asked by %s, and hears of new tools", async (_, start) => {
    const { url } = await openGate(await start());
    const client = await connect(url);
    expect(await client.call("elicit")).toBe("Rome");
    expect(await client.call("grow")).toBe("grew");
    await client.listChanged;
  });

  it("shares no response with another of its kind", async () => {
    const { url } = await openGate(sdkStdio("v2-stdio"));
    const clients = await Promise.all([connect(url), connect(url), connect(url)]);
    const texts = clients.map((_, index) => `text of ${index}`);
    const echoed = clients.map((client, index) => client.call("echo", { text: texts[index] }));
    expect(await Promise.all(echoed)).toEqual(texts);
  });

  it("goes on after a stdio upstream died", async () => {
    const { url } = await openGate(sdkStdio("v1-stdio"));
    const client = await connect(url);
    await expect(client.call("exit")).rejects.toThrow(/ended \(exit code 9\) before it answered/);
    expect(await client.call("echo", { text: "again" })).toBe("again");
  });
});

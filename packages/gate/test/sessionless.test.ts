import { describe, expect, it } from "vitest";
import {
  callText,
  lastMessage,
  messagesOf,
  oddServer,
  openGate,
  type RawClient,
  rawClient,
  until,
} from "./support.ts";

const META = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
const headersOf = (name: string, token = "AGT-one") => ({
  "mcp-protocol-version": "2026-07-28",
  "mcp-method": "tools/call",
  "mcp-name": name,
  authorization: `Bearer ${token}`,
});

const pidOf = async (client: RawClient, token: string) =>
  (await lastMessage(await client.post(callText(1, "pid", {}, META), headersOf("pid", token)))).result
    .content[0].text;

describe("requests that belong to no session, before a stdio upstream", () => {
  it("share a process with those of the same token alone", async () => {
    const { url } = await openGate(oddServer().upstream);
    const client = rawClient(url);
    const pids = await Promise.all(["AGT-one", "AGT-one", "AGT-two"].map((token) => pidOf(client, token)));
    expect(pids[0]).toBe(pids[1]);
    expect(pids[2]).not.toBe(pids[0]);
  });

  it("find a place when others have gone, and are refused while they run", async () => {
    const { upstream, lines } = oddServer();
    const { url } = await openGate(upstream, { limits: { maxSessions: 1 } });
    const client = rawClient(url);
    const first = await pidOf(client, "AGT-made-up");
    await until(async () => (await pidOf(client, "AGT-other").catch(() => first)) !== first);
    const slow = await client.post(callText(2, "slow", {}, META), headersOf("slow", "AGT-other"));
    await until(() => lines().some((line) => line.includes('"slow"')));
    const refused = await lastMessage(
      await client.post(callText(3, "pid", {}, META), headersOf("pid", "AGT-3")),
    );
    expect(refused.error.message).toContain("has its 1 callers");
    await slow.body?.cancel();
  });

  it("share one process where the upstream is stateless", async () => {
    const { url } = await openGate({ ...oddServer().upstream, stateless: true });
    const pids = await Promise.all(["AGT-one", "AGT-two"].map((token) => pidOf(rawClient(url), token)));
    expect(new Set(pids).size).toBe(1);
  });

  it("are refused where their headers say something else", async () => {
    const client = rawClient((await openGate(oddServer().upstream)).url);
    const text = callText(1, "pid", {}, META);
    for (const wrong of [
      { "mcp-name": "free" },
      { "mcp-method": "ping" },
      { "mcp-protocol-version": "2025-11-25" },
    ]) {
      const refused = await client.post(text, { ...headersOf("pid"), ...wrong });
      expect(refused.status).toBe(400);
      expect((await lastMessage(refused)).error.code).toBe(-32_020);
    }
    expect((await client.post(text)).status).toBe(400);
    const encoded = headersOf(`=?base64?${Buffer.from("pid").toString("base64")}?=`);
    expect((await lastMessage(await client.post(text, encoded))).result).toBeDefined();
  });

  it("are cancelled when their client goes", async () => {
    const { upstream, lines } = oddServer();
    const client = rawClient((await openGate(upstream)).url);
    const leaving = new AbortController();
    const called = client.post(callText("mine", "slow", {}, META), headersOf("slow"), leaving.signal);
    await until(() => lines().some((line) => line.includes('"slow"')));
    await called;
    leaving.abort();
    await until(() => lines().some((line) => line.includes("notifications/cancelled")));
    const [{ id }, { params }] = lines().map((line) => JSON.parse(line));
    expect(params.requestId).toBe(id);
  });

  it("have their progress and their own tokens", async () => {
    const client = rawClient((await openGate(oddServer().upstream)).url);
    const called = client.post(
      callText("a", "progress", {}, { ...META, progressToken: "t" }),
      headersOf("progress"),
    );
    const texts = await messagesOf(await called);
    expect(texts.map((text) => JSON.parse(text).params?.progressToken)).toEqual(["t", "t", undefined]);
  });
});

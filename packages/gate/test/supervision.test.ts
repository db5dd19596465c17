import { describe, expect, it } from "vitest";
import { UpstreamError } from "../src/upstream/upstream-error.ts";
import {
  callText,
  connectedClient,
  eventsOf,
  isAlive,
  lastMessage,
  messagesOf,
  oddServer,
  openGate,
  PASS_ALL,
  type RawClient,
  until,
} from "./support.ts";

const call = async (client: RawClient, id: number, name: string, args: object = {}) =>
  lastMessage(await client.post(callText(id, name, args)));
const pidOf = async (client: RawClient, id: number) =>
  Number((await call(client, id, "pid")).result.content[0].text);

describe("a stdio upstream", () => {
  it("that is not there is said at the start, in a sentence", async () => {
    const opened = openGate({ command: "no-such-command-anywhere", args: [] });
    await expect(opened).rejects.toThrow(UpstreamError);
    await expect(opened).rejects.toThrow('"no-such-command-anywhere" was not found');
  });

  it("that ends before it answers is said, and no session begins", async () => {
    const { url, said } = await openGate({ command: process.execPath, args: ["-e", "process.exit(3)"] });
    const client = await connectedClient(url);
    expect(client.session).toBeUndefined();
    expect(said.join("\n")).toContain("exit code 3");
  });

  it("that answers a cancelled call late does not answer what comes under the same id", async () => {
    const { upstream, lines } = oddServer();
    const client = await connectedClient((await openGate(upstream)).url);
    const held = client.post(callText(1, "held"));
    await until(() => lines().some((line) => line.includes('"held"')));
    await client.post('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}');
    expect(await messagesOf(await held)).toEqual([]);
    const again = await lastMessage(await client.post('{"jsonrpc":"2.0","id":1,"method":"ping"}'));
    expect(again.error).toMatchObject({ code: -32_600, message: expect.stringContaining("cancelled") });
    expect(lines().filter((line) => line.includes("ping"))).toEqual([]);
    const other = await lastMessage(await client.post('{"jsonrpc":"2.0","id":2,"method":"ping"}'));
    expect(other).toEqual({ jsonrpc: "2.0", id: 2, result: {} });
  });

  it("that crashes in the middle of calls fails each of them once, and the session goes on in a new process", async () => {
    const { upstream, lines } = oddServer();
    const { url, said } = await openGate(upstream);
    const client = await connectedClient(url);
    const before = await pidOf(client, 1);
    const slow = client.post(callText(2, "slow"));
    await until(() => lines().some((line) => line.includes('"slow"')));
    const crashed = await messagesOf(await client.post(callText(3, "crash")));
    const slowed = await messagesOf(await slow);
    for (const texts of [crashed, slowed]) {
      expect(texts).toHaveLength(1);
      expect(JSON.parse(texts[0] ?? "").error.message).toMatch(/ended \(exit code 7\) before it answered/);
    }
    const after = await pidOf(client, 4);
    expect(after).not.toBe(before);
    const methods = lines().map((line) => JSON.parse(line).method);
    expect(methods.filter((method) => method === "initialize")).toHaveLength(2);
    expect(methods.filter((method) => method === "notifications/initialized")).toHaveLength(2);
    expect(said.some((sentence) => sentence.includes("started again"))).toBe(true);
  });

  it("that crashes at every call is given up, so that the client begins anew", async () => {
    const { url } = await openGate(oddServer().upstream);
    const client = await connectedClient(url);
    let status = 200;
    await until(async () => {
      const response = await client.post(callText(1, "crash"));
      await response.text();
      ({ status } = response);
      return status !== 200;
    }, 30_000);
    expect(status).toBe(404);
  }, 40_000);

  it("that writes junk to stdout is told to the owner once, and the client hears nothing of it", async () => {
    const { url, said } = await openGate(oddServer().upstream);
    const client = await connectedClient(url);
    for (const id of [1, 2])
      expect(await messagesOf(await client.post(callText(id, "junk")))).toHaveLength(1);
    expect(said.filter((sentence) => sentence.includes("stdout"))).toEqual([
      "the upstream writes to stdout what is no MCP message: Starting the engine  [31m…",
    ]);
  });

  it("that answers twice is heard once", async () => {
    const { url, said } = await openGate(oddServer().upstream);
    const client = await connectedClient(url);
    const texts = await messagesOf(await client.post(callText(1, "double")));
    expect(texts.map((text) => JSON.parse(text).result.content[0].text)).toEqual(["first"]);
    await pidOf(client, 2);
    expect(said).toEqual([
      "the upstream sent a response that no request waits for (id 1), which was dropped",
    ]);
  });

  it("that answers with 100 MB fails that call alone, in little memory", async () => {
    const { url } = await openGate(oddServer().upstream);
    const client = await connectedClient(url);
    const slow = await client.post(callText(1, "slow"));
    global.gc?.();
    const before = process.memoryUsage().rss;
    const answer = await call(client, 2, "huge", { mebibytes: 100 });
    expect(answer.id).toBe(2);
    expect(answer.error.message).toMatch(/larger than 33554432 bytes/);
    expect(process.memoryUsage().rss - before).toBeLessThan(250 * 1_048_576);
    await client.post('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}');
    expect(await messagesOf(slow)).toEqual([]);
    expect((await call(client, 3, "echo")).result).toBeDefined();
  }, 40_000);

  it("that is slow is told to stop, and the agent is told", async () => {
    const { upstream, lines } = oddServer();
    const { url } = await openGate(upstream, { limits: { callTimeout: 4_000 } });
    const client = await connectedClient(url);
    const answer = await call(client, 1, "slow");
    expect(answer.error.message).toMatch(/gave no response within 4 s/);
    await until(() => lines().some((line) => line.includes("notifications/cancelled")));
    expect((await call(client, 2, "echo")).result).toBeDefined();
  });
});

describe("the end of a session", () => {
  it("leaves no process behind, and none that these have started", async () => {
    const gate = await openGate(oddServer({ ODD_STUBBORN: "1" }).upstream);
    const client = await connectedClient(gate.url);
    const pids = [
      await pidOf(client, 1),
      Number((await call(client, 2, "offspring")).result.content[0].text),
    ];
    expect(pids.map(isAlive)).toEqual([true, true]);
    await gate.close();
    expect(isAlive(pids[0] ?? 0)).toBe(false);
    await until(() => !isAlive(pids[1] ?? 0));
  });

  it("that a crash is leaves nothing that the process had started", async () => {
    const client = await connectedClient((await openGate(oddServer().upstream)).url);
    const offspring = Number((await call(client, 1, "offspring")).result.content[0].text);
    await call(client, 2, "crash");
    await until(() => !isAlive(offspring));
  });
});

describe("a client", () => {
  it("that cancels is passed on in its own words, and no response comes", async () => {
    const { upstream, lines } = oddServer();
    let reason: unknown;
    const { url } = await openGate(upstream, {
      rules: {
        ...PASS_ALL,
        request: (request, send) => {
          request.signal.addEventListener("abort", () => {
            reason = request.signal.reason;
          });
          return PASS_ALL.request(request, send);
        },
      },
    });
    const client = await connectedClient(url);
    const slow = messagesOf(await client.post(callText("s", "slow")));
    await until(() => lines().some((line) => line.includes('"slow"')));
    const cancelled =
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"s", "why":1.0}}';
    expect((await client.post(cancelled)).status).toBe(202);
    expect(await slow).toEqual([]);
    expect(reason).toBeInstanceOf(Error);
    await until(() => lines().at(-1) === cancelled);
  });

  it("that vanishes finds its response by the last event that it saw", async () => {
    const { url } = await openGate(oddServer().upstream);
    const client = await connectedClient(url);
    const leaving = new AbortController();
    const response = await client.post(callText(1, "slow", { ms: 300 }), {}, leaving.signal);
    let seen: string | undefined;
    for await (const { id } of eventsOf(response)) {
      seen = id;
      break;
    }
    leaving.abort();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const resumed = await client.get({ "last-event-id": seen ?? "" });
    expect((await lastMessage(resumed)).result.content[0].text).toBe("late");
    const again = await client.get({ "last-event-id": seen ?? "" });
    expect(await messagesOf(again)).toHaveLength(1);
    const [stream] = (seen ?? "").split("-");
    expect((await client.get({ "last-event-id": `${stream}-1` })).status).toBe(204);
    expect((await client.get({ "last-event-id": "99-0" })).status).toBe(400);
  });

  it("that ends its session cancels what runs", async () => {
    const { upstream, lines } = oddServer();
    const aborted: unknown[] = [];
    const { url } = await openGate(upstream, {
      rules: {
        ...PASS_ALL,
        async request(request, send) {
          try {
            return await PASS_ALL.request(request, send);
          } catch (error) {
            aborted.push(error);
            throw error;
          }
        },
      },
    });
    const client = await connectedClient(url);
    const slow = await client.post(callText(1, "slow"));
    await until(() => lines().some((line) => line.includes('"slow"')));
    await fetch(url, { method: "DELETE", headers: { "mcp-session-id": client.session ?? "" } });
    await slow.text();
    expect(aborted).toHaveLength(1);
  });
});

describe("one process for all sessions", () => {
  it("serves clients at once that use the same ids and tokens, and gives each its own back", async () => {
    const { upstream, lines } = oddServer();
    const { url } = await openGate({ ...upstream, stateless: true });
    const clients = await Promise.all(Array.from({ length: 8 }, () => connectedClient(url)));
    const answers = await Promise.all(
      clients.map(async (client, index) =>
        messagesOf(await client.post(callText(1, "progress", { index }, { progressToken: 1 }))),
      ),
    );
    for (const texts of answers) {
      expect(texts.map((text) => JSON.parse(text).params?.progressToken)).toEqual([1, 1, undefined]);
      expect(JSON.parse(texts.at(-1) ?? "").id).toBe(1);
    }
    const ids = lines().flatMap((line) => JSON.parse(line).id ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    const echoes = await Promise.all(clients.map((client, index) => call(client, 2, "echo", { index })));
    expect(echoes.map(({ result }) => JSON.parse(result.content[0].text).index)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7,
    ]);
    const pids = await Promise.all(clients.map((client) => pidOf(client, 3)));
    expect(new Set(pids).size).toBe(1);
  });

  it("changes nothing of a message but its id", async () => {
    const { upstream, lines } = oddServer();
    const client = await connectedClient((await openGate({ ...upstream, stateless: true })).url);
    const texts = await messagesOf(
      await client.post('{"x":1.0,"id":"mine","method":"never/heard","jsonrpc":"2.0" }'),
    );
    expect(lines().at(-1)).toMatch(/^\{"x":1\.0,"id":\d+,"method":"never\/heard","jsonrpc":"2\.0" \}$/);
    expect(texts).toEqual([
      `{"result" :{"of":1.0, "big":98765432109876543210,"s":"\\u00e9"},"id":"mine","jsonrpc":"2.0","odd":{"a":-0.0} }`,
    ]);
  });

  it("cancels the right request, cannot ask a client, and announces to all", async () => {
    const { upstream, lines } = oddServer();
    const { url } = await openGate({ ...upstream, stateless: true });
    const [one, other] = [await connectedClient(url), await connectedClient(url)];
    const streams = [await one.get(), await other.get()];
    const slow = await one.post(callText(5, "slow"));
    const others = await other.post(callText(5, "slow", { ms: 600 }));
    await until(() => lines().filter((line) => line.includes('"slow"')).length === 2);
    const [first = ""] = lines().filter((line) => line.includes('"slow"'));
    await one.post('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}');
    expect(await messagesOf(slow)).toEqual([]);
    expect((await lastMessage(others)).result.content[0].text).toBe("late");
    expect(lines().at(-1)).toContain(`"requestId":${JSON.parse(first).id}`);
    expect((await call(one, 6, "ask")).result.content[0].text).toContain("-32601");
    await call(one, 7, "announce");
    for (const stream of streams)
      for await (const { data } of eventsOf(stream)) {
        expect(data).toContain("list_changed");
        break;
      }
  });
});

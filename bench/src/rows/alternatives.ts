import { fileURLToPath } from "node:url";
import { createPaywall, type Paywall } from "@licentric/mcp";
import { fileJournal } from "@licentric/mcp/journal";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { OpenMeter } from "@openmeter/sdk";
import { Unkey } from "@unkey/api";
import { Pool, request } from "undici";
import { z } from "zod";
import { startChild } from "../children.ts";
import { allInTurn, divide, type Effort, microsecondsPerCall, middle, type Row } from "../compare.ts";
import { withTemporaryDirectory } from "../databases.ts";
import { served } from "./in-memory.ts";

type Result = { content: { type: "text"; text: string }[] };
type Call = () => Promise<unknown>;
const ran = async (): Promise<Result> => ({ content: [{ type: "text", text: "ran" }] });

/** One way to charge for a call, and what it does for its time. */
interface Way {
  readonly name: string;
  readonly does: string;
  readonly call: Call;
}

/**
 * Measures the time that each way of charging adds to one and the same tool call ÷ one bare undici round
 * trip. All of their backends are the same stub on loopback, which answers at once, so what is left is their
 * own time and their round trips.
 */
export function alternatives({ quick }: Effort): Promise<Row[]> {
  const [rounds, calls] = quick ? [1, 20] : [9, 300];
  return withTemporaryDirectory(async (directory) => {
    const stub = await startChild("serve-stub");
    const token = "AGT-00000000000000000000000000000000";
    const inDefaultMode = createPaywall({ baseUrl: stub.url, token: () => token });
    const inBackground = createPaywall({
      baseUrl: stub.url,
      apiKey: "lk_test_00000000000000000000000000000000",
      token: () => token,
      metering: "background",
      verification: { cacheTtl: 600_000 },
      journal: fileJournal({ directory }),
    });
    const pool = new Pool(stub.url, { pipelining: 1 });
    try {
      const ways: Way[] = [
        {
          name: "Licentric, default mode",
          does: "verified and recorded before the handler",
          call: await callLicentric(inDefaultMode),
        },
        {
          name: "Licentric, background mode",
          does: "verified once in ten minutes; in a journal file before the result, sent in batches",
          call: await callLicentric(inBackground),
        },
        {
          name: "@unkey/api, verifyKey",
          does: "verified and a credit taken before the handler; no usage recorded",
          call: await callUnkey(stub.url),
        },
        {
          name: "@openmeter/sdk, ingest",
          does: "recorded after the handler; nothing verified, nothing kept if it fails",
          call: await callOpenMeter(stub.url),
        },
        {
          name: "mcpay, paidTool",
          does: "payment verified before the handler and settled after it",
          call: await callMcpay(stub.url),
        },
      ];
      const bare = await callTool((server) => server.registerTool("t", {}, ran));
      const roundTrip = async () => {
        const answer = await pool.request({ method: "POST", path: "/api/v1/mcp/verify", body: "{}" });
        await answer.body.json();
      };
      const [trips = [], bares = [], ...measured] = await allInTurn(
        rounds,
        [roundTrip, bare, ...ways.map(({ call }) => call)].map(
          (call) => () => microsecondsPerCall(calls, call),
        ),
      );
      const rows: Row[] = [];
      for (const [index, { name, does, call }] of ways.entries()) {
        const added = measured[index]?.map((time, round) => time - (bares[round] ?? Number.NaN)) ?? [];
        rows.push({
          name,
          ratio: `added to a call ÷ one bare undici round trip to the same stub: ${does}`,
          ...divide(added, trips),
          figures: `${middle(added)} ÷ ${middle(trips)} µs; ${await requestsPerCall(stub.url, call, quick ? 20 : 200)} requests a call`,
        });
      }
      return rows;
    } finally {
      await Promise.all([inDefaultMode.close(), inBackground.close(), pool.close()]);
      await stub.stop();
    }
  });
}

/** Connects the official client to a server of one tool, in memory, so that the network is that of charging alone. */
async function callTool(register: (server: McpServer) => unknown, meta = {}): Promise<Call> {
  const server = new McpServer({ name: "bench", version: "1" });
  register(server);
  const client = new Client({ name: "bench", version: "1" });
  const [near, far] = InMemoryTransport.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  return served(() => client.callTool({ name: "t", _meta: meta }));
}

function callLicentric(paywall: Paywall): Promise<Call> {
  return callTool((server) =>
    server.registerTool("t", {}, paywall.tool({ meterName: "api_calls", name: "t" }, ran)),
  );
}

function callUnkey(serverURL: string): Promise<Call> {
  const unkey = new Unkey({ serverURL, rootKey: "unkey_bench" });
  return callTool((server) =>
    server.registerTool("t", {}, async () => {
      const { data } = await unkey.keys.verifyKey({ key: "key_of_the_agent", credits: { cost: 1 } });
      if (!data.valid) throw new Error(`refused: ${data.code}`);
      return ran();
    }),
  );
}

function callOpenMeter(baseUrl: string): Promise<Call> {
  const openMeter = new OpenMeter({ baseUrl, apiKey: "om_bench" });
  return callTool((server) =>
    server.registerTool("t", {}, async () => {
      const result = await ran();
      await openMeter.events.ingest({ type: "api_calls", subject: "agt_1", data: { quantity: 1 } });
      return result;
    }),
  );
}

interface PaidServer {
  paidTool(
    name: string,
    description: string,
    price: string,
    schema: object,
    annotations: object,
    handler: () => Promise<Result>,
  ): unknown;
}
type WithX402 = (server: McpServer, config: object) => PaidServer;
const Mcpay = z.object({ withX402: z.custom<WithX402>((value) => typeof value === "function") });

/** The stub believes the payment as it is; the cost of signing one is the agent's. */
async function callMcpay(facilitator: string): Promise<Call> {
  const file = new URL("../../mcpay/node_modules/mcpay/dist/handler.js", import.meta.url);
  const { withX402 } = Mcpay.parse(await import(fileURLToPath(file)));
  const [payer, recipient] = [`0x${"1".repeat(40)}`, `0x${"3".repeat(40)}`];
  const authorization = {
    from: payer,
    to: recipient,
    value: "10000",
    validAfter: "0",
    validBefore: "99999999999",
    nonce: `0x${"4".repeat(64)}`,
  };
  const payment = {
    x402Version: 1,
    scheme: "exact",
    network: "base-sepolia",
    payload: { signature: `0x${"5".repeat(130)}`, authorization },
  };
  const config = { recipient: { "base-sepolia": recipient }, facilitator: { url: facilitator } };
  return callTool((server) => withX402(server, config).paidTool("t", "A paid tool", "$0.01", {}, {}, ran), {
    "x402/payment": Buffer.from(JSON.stringify(payment)).toString("base64"),
  });
}

const Count = z.object({ requests: z.number() });

/**
 * Returns the stub's count of requests per call, over some more calls. A batch may be in flight while they
 * run, so this is rounded.
 */
async function requestsPerCall(url: string, call: Call, calls: number): Promise<string> {
  const count = async () => Count.parse(await (await request(new URL("/count", url))).body.json()).requests;
  const before = await count();
  for (let index = 0; index < calls; index++) await call();
  return (((await count()) - before) / calls).toFixed(2).replace(/\.?0+$/, "");
}

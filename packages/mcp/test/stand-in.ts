import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout } from "node:timers/promises";
import type { GatewayResponse, Recorded } from "@licentric/paywall/adapter";
import { createTestLedger, type TestLedger } from "@licentric/paywall/testing";
import { z } from "zod";

/** What goes wrong with a request. */
export type Fault =
  /** Takes the request and never answers. */
  | "hang"
  /** Begins an answer and sends a byte of it now and then, without end. */
  | "drip"
  /** Does what was asked and cuts the connection. */
  | "drop-answer"
  /** Cuts the connection and does nothing. */
  | "drop-request"
  /** Answers as fast as it can, without end. */
  | "endless"
  | {
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
      /** Does what was asked first. */
      readonly acts?: boolean;
    };

/** A stand-in for the API that can be broken at will, and remembers every byte that it was sent. */
export interface StandIn {
  readonly url: string;
  readonly ledger: TestLedger;
  /** Everything that arrived: method, path, headers and body. */
  readonly seen: string[];
  /** Faults of the next requests, in their order. */
  readonly faults: Fault[];
  /** The fault of every request beyond those. */
  always: Fault | undefined;
  /** Bytes of answers without end that were sent. */
  flood: number;
  /** Milliseconds before each answer. */
  delay: number;
  /** Milliseconds that it works on each request, one after the other in the order in which they came. */
  work: number;
  /** Speaks only what the hosted service documents: no `requiredScopes`, no event, no expiry. */
  documentedOnly: boolean;
  close(): Promise<void>;
}

type Sent = [status: number, body: unknown, headers?: Record<string, string>];

const Body = z.looseObject({
  meterName: z.string().optional(),
  quantity: z.number().optional(),
  enforceBudget: z.boolean().optional(),
  requiredScopes: z.array(z.string()).optional(),
});
const Events = z.object({
  events: z.array(
    z.object({
      agentId: z.string(),
      meterName: z.string(),
      quantity: z.number(),
      timestamp: z.string(),
      idempotencyKey: z.string(),
    }),
  ),
});

/** Starts a stand-in on loopback. */
export async function startStandIn(port = 0): Promise<StandIn> {
  const ledger = createTestLedger();
  const seen: string[] = [];
  const faults: Fault[] = [];

  async function answer(request: IncomingMessage, text: string): Promise<Sent> {
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const options = { idempotencyKey: String(request.headers["idempotency-key"]), deadline: 1_000 };
    const json: unknown = text === "" ? {} : JSON.parse(text);
    const path = request.url ?? "";
    const { gateway } = ledger;
    if (path === "/api/v1/mcp/verify") {
      const body = Body.parse(json);
      if (!standIn.documentedOnly) return send(await gateway.verify(token, without(body), options));
      const { meterName, quantity } = body;
      const given = await gateway.verify(token, without({ meterName, quantity }), options);
      if ("refusal" in given) return send(given);
      const { accountId, agentId, scopes } = given.value;
      return [200, { data: { accountId, agentId, scopes } }];
    }
    if (path === "/api/v1/mcp/reserve") {
      const { meterName = "", ...body } = Body.parse(json);
      const given = await gateway.reserve(token, { ...without(body), meterName }, options);
      if ("refusal" in given) return send(given);
      const { reservation, ...verified } = given.value;
      const expiresAt = new Date(Date.now() + 300_000).toISOString();
      const held = {
        ...reservation,
        meterName,
        quantity: body.quantity ?? 1,
        committedQuantity: null,
        expiresAt,
      };
      return [201, { data: { ...verified, reservation: held } }];
    }
    const [, id = "", action] = /reservations\/([^/]+)\/(commit|release)$/.exec(path) ?? [];
    if (action === "commit") {
      const given = await gateway.commit(token, id, Body.parse(json).quantity ?? 1, options);
      if ("value" in given && given.value.lapsed)
        return [409, { error: "The reservation has lapsed.", code: "CONFLICT" }];
      return "refusal" in given
        ? send(given)
        : [200, { data: { reservation: reservationOf(id, "committed"), event: eventOf(given.value.event) } }];
    }
    if (action === "release") {
      const given = await gateway.release(token, id, options);
      if ("refusal" in given) return send(given);
      if (given.value.committed) return [409, { error: "The reservation is committed.", code: "CONFLICT" }];
      return [200, { data: { reservation: reservationOf(id, "released") } }];
    }
    if (path === "/api/v1/usage/events") {
      const { events } = Events.parse(json);
      const outcomes = await gateway.record(
        { json: new TextEncoder().encode(text), count: events.length, events: () => events },
        new AbortController().signal,
      );
      const results = outcomes.map(({ status }, index) => {
        const { timestamp, ...event } = events[index] ?? { timestamp: "" };
        return {
          status,
          event: {
            ...event,
            id: `evt_${index}`,
            periodId: "per_1",
            timestamp,
            createdAt: timestamp,
            metadata: {},
          },
        };
      });
      return [200, { data: { results } }];
    }
    return [404, { error: `There is no ${path}`, code: "NOT_FOUND" }];
  }

  let working: Promise<void> = Promise.resolve();
  const server = createServer((request, response) => void handle(request, response));
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += chunk;
    seen.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)} ${text}`);
    const fault = faults.shift() ?? standIn.always;
    if (fault === "hang") return;
    if (fault === "drip") {
      response.writeHead(200, { "content-type": "application/json" });
      const dripping = setInterval(() => response.write(" "), 10);
      response.once("close", () => clearInterval(dripping));
      return;
    }
    if (fault === "endless") {
      response.writeHead(200, { "content-type": "application/json" });
      const chunk = Buffer.alloc(65_536, " ");
      const flood = () => {
        do standIn.flood += chunk.length;
        while (!response.destroyed && response.write(chunk));
      };
      response.on("drain", flood);
      flood();
      return;
    }
    if (fault === "drop-request") return void request.socket.destroy();
    if (typeof fault === "object") {
      if (fault.acts) await answer(request, text);
      response.writeHead(fault.status, { "content-type": "application/json", ...fault.headers });
      response.end(fault.body ?? JSON.stringify({ error: "Broken on purpose.", code: "INTERNAL_ERROR" }));
      return;
    }
    const [status, body, headers = {}] = await answer(request, text);
    if (fault === "drop-answer") return void request.socket.destroy();
    if (standIn.delay > 0) await setTimeout(standIn.delay);
    if (standIn.work > 0) {
      working = working.then(() => setTimeout(standIn.work));
      await working;
    }
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  }

  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = z.object({ port: z.number() }).parse(server.address());
  const standIn: StandIn = {
    url: `http://127.0.0.1:${address.port}`,
    ledger,
    seen,
    faults,
    always: undefined,
    delay: 0,
    work: 0,
    flood: 0,
    documentedOnly: false,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return standIn;
}

function send(answer: GatewayResponse<{ event?: Recorded | undefined }>): Sent {
  if ("value" in answer) {
    const { event, ...rest } = answer.value;
    return [200, { data: { ...rest, ...(event !== undefined && { event: eventOf(event) }) } }];
  }
  const { status, code, message, budget, retryAfter } = answer.refusal;
  const details = budget === undefined ? {} : { details: { budget } };
  const headers: Record<string, string> =
    retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
  return [status, { error: message, code: code.toUpperCase(), ...details }, headers];
}

const eventOf = (event: Recorded | undefined) => ({
  id: "evt_1",
  meterName: "api_calls",
  quantity: 1,
  duplicate: event?.duplicate ?? false,
  ...(event?.age !== undefined && { age: event.age }),
});

const reservationOf = (id: string, status: string) => ({
  id,
  meterName: "api_calls",
  quantity: 1,
  status,
  committedQuantity: null,
  expiresAt: new Date().toISOString(),
});

/** The members that were given: exact optional members must not be undefined. */
function without<Given extends object>(given: Given) {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Given]: Exclude<Given[Key], undefined>;
  };
}

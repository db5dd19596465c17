import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";

/** An event as the API acknowledged it. */
export interface Acknowledged {
  readonly id: string;
  readonly quantity: number;
}

/** A period as a close answered it: from then on it must never change. */
export interface Closed {
  readonly id: string;
  readonly totals: unknown;
}

/** Clients that send usage until they are stopped, each request again and again until it is acknowledged. */
export interface Load {
  /** Every acknowledged event by its id. */
  readonly events: ReadonlyMap<string, Acknowledged>;
  /** Every acknowledged close. */
  readonly closed: readonly Closed[];
  /** Requests that had to be repeated. */
  readonly repeated: () => number;
  /** Waits until so many more events are acknowledged: a server is up, and under load. */
  acknowledgedMore(events: number): Promise<void>;
  /** Begins nothing new, and waits until all that was begun is acknowledged. */
  stop(): Promise<void>;
}

/** An account that load is put on. */
export interface LoadTarget {
  readonly environmentId: string;
  readonly key: string;
  readonly customerId: string;
  /** The first belongs to the customer, the second has a budget. */
  readonly agents: readonly { readonly agentId: string; readonly token: string }[];
}

interface LoadOptions {
  /** Where the servers answer now; a client takes another one for each try. */
  readonly urls: () => readonly string[];
  readonly target: LoadTarget;
  /** 8 by default. */
  readonly writers?: number;
  /** Milliseconds between two closes of the current period; null: none. */
  readonly closeEvery?: number | null;
}

/** How long one request is repeated. A server that is gone for longer than this has not come back. */
const PATIENCE = 120_000;

/** Starts the clients: verifies, batches and reservations, of an agent with a budget and one without. */
export function startLoad({ urls, target, writers = 8, closeEvery = null }: LoadOptions): Load {
  const agent = new Agent({ connections: 4, headersTimeout: 20_000, bodyTimeout: 20_000 });
  const events = new Map<string, Acknowledged>();
  const closed: Closed[] = [];
  let stopping = false;
  let repeated = 0;
  let turn = 0;

  /** Sends the request until it is answered with success. What is sent twice must have an effect once. */
  const send = async (
    method: "GET" | "POST",
    path: string,
    token: string,
    key: string | null,
    body?: object,
  ) => {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      turn += 1;
      const origin = urls()[turn % urls().length];
      const answer = origin === undefined ? null : await attempt(origin + path, method, token, key, body);
      if (answer !== null && answer.status < 300) return answer.body.data;
      if (answer !== null && answer.status < 500)
        throw new Error(`${method} ${path} was refused: ${JSON.stringify(answer.body)}`);
      if (Date.now() > deadline)
        throw new Error(`${method} ${path} was not acknowledged: ${JSON.stringify(answer)}`);
      repeated += 1;
      await sleep(20);
    }
  };

  const attempt = async (
    url: string,
    method: "GET" | "POST",
    token: string,
    key: string | null,
    body?: object,
  ) => {
    try {
      const { statusCode, body: stream } = await request(url, {
        method,
        dispatcher: agent,
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          ...(key === null ? {} : { "idempotency-key": key }),
        },
        body: method === "GET" ? null : JSON.stringify(body ?? {}),
      });
      // biome-ignore lint/suspicious/noExplicitAny: an answer of any route.
      return { status: statusCode, body: (await stream.json()) as any };
    } catch {
      // The server is away, or went away before its answer was here: whether it did the work is not known.
      return null;
    }
  };

  const acknowledge = (event: Acknowledged, quantity: number) => {
    if (event.quantity !== quantity)
      throw new Error(`sent ${quantity}, and ${event.quantity} was acknowledged`);
    events.set(event.id, { id: event.id, quantity });
  };

  const write = async (writer: number) => {
    for (let count = 0; !stopping; count += 1) {
      const { token, agentId } = target.agents[writer % target.agents.length] ?? { token: "", agentId: "" };
      const key = `load-${writer}-${count}`;
      const quantity = 1 + ((writer + count) % 9);
      if (writer % 4 === 2) {
        const batch = [quantity, quantity + 1, quantity + 2].map((each) => ({
          agentId,
          meterName: "api_calls",
          quantity: each,
        }));
        const { results } = await send("POST", "/api/v1/usage/events", target.key, key, { events: batch });
        for (const [index, { event }] of results.entries()) acknowledge(event, quantity + index);
      } else if (writer % 4 === 3) {
        const held = { meterName: "api_calls", quantity: quantity + 5 };
        const { reservation } = await send("POST", "/api/v1/mcp/reserve", token, key, held);
        const commit = `/api/v1/mcp/reservations/${reservation.id}/commit`;
        const { event } = await send("POST", commit, token, `${key}-commit`, { quantity });
        acknowledge(event, quantity);
      } else {
        const body = { meterName: "api_calls", quantity };
        const { event } = await send("POST", "/api/v1/mcp/verify", token, key, body);
        acknowledge(event, quantity);
      }
    }
  };

  const close = async (interval: number) => {
    while (!stopping) {
      await sleep(interval);
      const { id } = await send("GET", "/api/v1/billing/periods/current", target.key, null);
      const { totals } = await send("POST", `/api/v1/billing/periods/${id}/close`, target.key, null);
      closed.push({ id, totals });
    }
  };

  const running = Promise.all([
    ...Array.from({ length: writers }, (_, writer) => write(writer)),
    ...(closeEvery === null ? [] : [close(closeEvery)]),
  ]);
  // A failure is thrown by stop; until then nobody waits for it.
  running.catch(() => {});
  const stop = async () => {
    stopping = true;
    try {
      await running;
    } finally {
      await agent.destroy();
    }
  };
  return {
    events,
    closed,
    repeated: () => repeated,
    acknowledgedMore: async (more) => {
      const before = events.size;
      const deadline = Date.now() + 60_000;
      while (events.size < before + more) {
        if (Date.now() > deadline) {
          await stop();
          throw new Error(`only ${events.size - before} events were acknowledged in a minute`);
        }
        await sleep(10);
      }
    },
    stop,
  };
}

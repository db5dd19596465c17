import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { allOf, type Params, type StripeObject, type StripeStore } from "./stripe-objects.ts";
import { HANDLERS } from "./stripe-resources.ts";
import { StripeFailure } from "./stripe-rules.ts";

/** What goes wrong with the next request that matches. */
export interface Fault {
  /** For example `POST /v1/invoices`; ids in the path are written `:id`. `*` is every request. */
  readonly on: string;
  /**
   * `400`, `402`, `403` and `500`: answered, kept under the key, no work done; `500-after`: the same after the work;
   * `429`: refused before any work, not kept; `hang-after` and `close-after`: the work is done and no answer comes.
   */
  readonly kind:
    | "400"
    | "403"
    | "500"
    | "500-after"
    | "402"
    | "429"
    | "hang-after"
    | "close-after"
    | "close-before";
  /** How many requests it hits. 1 by default. */
  readonly times?: number;
  /** How many requests it lets pass before. None by default. */
  readonly after?: number;
}

/** Stripe on loopback: as much of it as an invoice needs, with its rules (stripe-rules.ts) and those for idempotency keys. */
export interface StripeStandIn {
  readonly url: string;
  readonly objects: Map<string, StripeObject>;
  /** Every request that arrived, for example `POST /v1/invoices/:id/finalize`. */
  readonly requests: { readonly call: string; readonly key: string | null; readonly secret: string }[];
  /** Live objects of a kind, oldest first. */
  all(object: string): StripeObject[];
  addFault(fault: Fault): void;
  clearFaults(): void;
  /** Forgets everything. */
  reset(): void;
  /** As "Delete all test data" of its dashboard: every object goes, and what was answered to a key stays. */
  deleteAllTestData(): void;
  /** Makes a customer by hand, as its dashboard does; answers its id. */
  addCustomer(details?: object): string;
  /** Makes an event, as Stripe does where something happens to the object, `age` seconds ago; answers its id. */
  addEvent(type: string, object: object, made?: { readonly age?: number }): string;
  /** Deletes a customer, as its dashboard does. */
  deleteCustomer(id: string): void;
  /** Moves its clock; keys older than 24 hours are forgotten. */
  setTime(time: Date | null): void;
  change(id: string, change: object): void;
  close(): Promise<void>;
}

const DAY = 86_400_000;

/** Starts the stand-in. */
export async function startStripeStandIn(): Promise<StripeStandIn> {
  const objects = new Map<string, StripeObject>();
  const keys = new Map<string, { fingerprint: string; at: number; status: number; body: object }>();
  const underWay = new Set<string>();
  const requests: { call: string; key: string | null; secret: string }[] = [];
  let faults: { on: string; kind: Fault["kind"]; left: number; passing: number }[] = [];
  let frozen: number | null = null;
  const now = () => frozen ?? Date.now();

  const storeOf = (secret: string): StripeStore => ({
    objects,
    now: () => Math.floor(now() / 1_000),
    create: (object, prefix, _, rest) => {
      const id = `${prefix}_${randomBytes(9).toString("hex")}`;
      const created = Math.floor(now() / 1_000);
      const made = { id, object, created, livemode: secret.includes("_live_"), metadata: {}, ...rest };
      objects.set(id, made);
      return made;
    },
  });

  function nextFault(call: string): Fault["kind"] | undefined {
    const ready = faults.filter((one) => (one.on === call || one.on === "*") && one.left > 0);
    const fault = ready.find((one) => one.passing === 0);
    for (const one of ready) one.passing = Math.max(0, one.passing - 1);
    if (fault) fault.left -= 1;
    return fault?.kind;
  }

  function answer(
    call: string,
    ids: readonly [string, string],
    params: Params,
    secret: string,
    key: string | null,
  ) {
    const kind = nextFault(call);
    const scope = `${secret}:${key}`;
    if (kind === "429") return { status: 429, body: failure("rate_limit_error", "Too many requests") };
    if (kind === "close-before") return "close" as const;

    const handler = HANDLERS[call];
    if (handler === undefined)
      return { status: 404, body: failure("invalid_request_error", `Unrecognized request URL (${call})`) };
    const fingerprint = JSON.stringify([call, ids, params]);
    const kept = key === null ? undefined : keys.get(scope);
    if (kept !== undefined && now() - kept.at < DAY) {
      if (kept.fingerprint !== fingerprint) {
        const message = "Keys for idempotent requests can only be used with the same parameters.";
        return { status: 400, body: failure("idempotency_error", message) };
      }
      return { ...kept, replayed: true };
    }
    const outcome = (() => {
      if (kind === "500") return { status: 500, body: failure("api_error", "Something went wrong") };
      if (kind === "400") {
        return {
          status: 400,
          body: failure("invalid_request_error", "It is not as it must be.", "of_today"),
        };
      }
      if (kind === "403") {
        const message = "The provided key does not have the required permissions for this endpoint.";
        return { status: 403, body: failure("invalid_request_error", message) };
      }
      if (kind === "402") return { status: 402, body: failure("card_error", "It was declined") };
      try {
        const body = structuredClone(handler(ids, params, storeOf(secret)));
        return kind === "500-after"
          ? { status: 500, body: failure("api_error", "Something went wrong") }
          : { status: 200, body };
      } catch (error) {
        if (error instanceof StripeFailure) return { status: error.status, body: error.body };
        throw error;
      }
    })();
    if (key !== null) keys.set(scope, { fingerprint, at: now(), ...outcome });
    if (kind === "hang-after") return "hang" as const;
    if (kind === "close-after") return "close" as const;
    return outcome;
  }

  const server = createServer(async (request, response) => {
    const { call, ids, params, secret, key } = await read(request);
    requests.push({ call, key, secret });
    const scope = `${secret}:${key}`;
    if (key !== null && underWay.has(scope)) {
      return send(response, 409, failure("idempotency_error", "in use", "idempotency_key_in_use"));
    }
    underWay.add(scope);
    const outcome = answer(call, ids, params, secret, key);
    underWay.delete(scope);
    if (outcome === "close") return request.socket.destroy();
    if (outcome === "hang") return undefined;
    return send(response, outcome.status, outcome.body, "replayed" in outcome);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}`,
    objects,
    requests,
    all: (object) => allOf({ objects }, object),
    addFault: ({ on, kind, times = 1, after = 0 }) => faults.push({ on, kind, left: times, passing: after }),
    clearFaults: () => {
      faults = [];
    },
    reset: () => {
      objects.clear();
      keys.clear();
      requests.length = 0;
      faults = [];
      frozen = null;
    },
    deleteAllTestData: () => objects.clear(),
    addCustomer: (details = {}) => {
      const none = { name: null, email: null, address: null, balance: 0 };
      return storeOf("sk_test_").create("customer", "cus", {}, { ...none, ...details }).id;
    },
    addEvent: (type, object, { age = 0 } = {}) => {
      const store = storeOf("sk_test_");
      const created = store.now() - age;
      return store.create("event", "evt", {}, { type, created, data: { object } }).id;
    },
    deleteCustomer: (id) => {
      Object.assign(objects.get(id) ?? {}, { deleted: true });
    },
    setTime: (time) => {
      frozen = time?.getTime() ?? null;
    },
    change: (id, change) => {
      Object.assign(objects.get(id) ?? {}, change);
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function failure(type: string, message: string, code?: string): object {
  return { error: { type, message, ...(code && { code }) } };
}

async function read(request: IncomingMessage) {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const url = new URL(request.url ?? "/", "http://stripe");
  const form = request.method === "GET" ? url.search.slice(1) : Buffer.concat(chunks).toString();
  const found: string[] = [];
  const path = url.pathname.replace(/\/((?:cus|in|ii|cn|txi)_\w+)/g, (_, id: string) => {
    found.push(id);
    return "/:id";
  });
  const [first = "", second = ""] = found;
  const header = request.headers["idempotency-key"];
  return {
    call: `${request.method} ${path}`,
    ids: [first, second] as const,
    params: Object.fromEntries(new URLSearchParams(form)),
    // stripe-node makes a key by itself for retries of POST where none is given.
    key: typeof header === "string" ? header : null,
    secret: (request.headers.authorization ?? "").replace(/^Bearer /, ""),
  };
}

function send(response: ServerResponse, status: number, body: object, replayed = false) {
  response.writeHead(status, {
    "content-type": "application/json",
    "request-id": `req_${randomBytes(7).toString("hex")}`,
    ...(replayed && { "idempotent-replayed": "true" }),
    "stripe-should-retry": String(status === 409 || status === 429 || (status >= 500 && !replayed)),
  });
  response.end(JSON.stringify(body));
}

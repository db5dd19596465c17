import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Params = Record<string, string>;
interface StripeObject {
  id: string;
  object: string;
  created: number;
  metadata: Params;
  // biome-ignore lint/suspicious/noExplicitAny: an object of Stripe's has members of every shape.
  [member: string]: any;
}

/** What goes wrong with the next request that matches. */
export interface Fault {
  /** For example `POST /v1/invoices`; ids in the path are written `:id`. */
  readonly on: string;
  /**
   * `500` and `402`: answered, kept under the key, no work done; `500-after`: the same after the work;
   * `429`: refused before any work, not kept; `hang-after` and `close-after`: the work is done and no answer comes.
   */
  readonly kind: "500" | "500-after" | "402" | "429" | "hang-after" | "close-after" | "close-before";
  /** How many requests it hits. 1 by default. */
  readonly times?: number;
}

/** Stripe on loopback: as much of it as an invoice needs, with its rules for idempotency keys. */
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
  /** Moves its clock; keys older than 24 hours are forgotten. */
  setTime(time: Date | null): void;
  change(id: string, change: object): void;
  close(): Promise<void>;
}

class StripeFailure extends Error {
  readonly status: number;
  readonly body: object;
  constructor(status: number, type: string, message: string, code?: string) {
    super(message);
    this.status = status;
    this.body = { error: { type, message, ...(code && { code }) } };
  }
}

const DAY = 86_400_000;

/** Starts the stand-in. */
export async function startStripeStandIn(): Promise<StripeStandIn> {
  const objects = new Map<string, StripeObject>();
  const keys = new Map<string, { fingerprint: string; at: number; status: number; body: object }>();
  const underWay = new Set<string>();
  const requests: { call: string; key: string | null; secret: string }[] = [];
  let faults: { on: string; kind: Fault["kind"]; left: number }[] = [];
  let frozen: number | null = null;
  const now = () => frozen ?? Date.now();

  const all = (object: string) => [...objects.values()].filter((one) => one.object === object);
  const find = (id: string, object: string) => {
    const found = objects.get(id);
    if (found?.object !== object)
      throw new StripeFailure(404, "invalid_request_error", `No such ${object}: '${id}'`, "resource_missing");
    return found;
  };
  const create = (object: string, prefix: string, secret: string, params: Params, rest: object) => {
    const id = `${prefix}_${randomBytes(9).toString("hex")}`;
    const made = {
      id,
      object,
      created: Math.floor(now() / 1_000),
      livemode: secret.includes("_live_"),
      metadata: nested(params, "metadata"),
      ...rest,
    };
    objects.set(id, made);
    return made;
  };
  const itemsOf = (invoice: string) => all("invoiceitem").filter((item) => item["invoice"] === invoice);
  const withTotal = (invoice: StripeObject) => {
    const subtotal = itemsOf(invoice.id).reduce((sum, item) => sum + item["amount"], 0);
    return Object.assign(invoice, { subtotal, total: subtotal, amount_due: subtotal });
  };
  const open = (invoice: StripeObject, allowed: string[]) => {
    if (allowed.includes(invoice["status"])) return;
    throw new StripeFailure(400, "invalid_request_error", `This invoice is ${invoice["status"]}.`);
  };

  const handlers: Record<string, (id: string, params: Params, secret: string) => object> = {
    "POST /v1/customers": (_, params, secret) =>
      create("customer", "cus", secret, params, { name: params["name"], email: params["email"] ?? null }),
    "GET /v1/customers": (_, params) => list(all("customer"), params),
    "GET /v1/customers/:id": (id) => find(id, "customer"),
    "POST /v1/invoices": (_, params, secret) => {
      find(params["customer"] ?? "", "customer");
      return create("invoice", "in", secret, params, {
        customer: params["customer"],
        currency: params["currency"],
        status: "draft",
        subtotal: 0,
        total: 0,
        auto_advance: params["auto_advance"] === "true",
        collection_method: params["collection_method"],
        hosted_invoice_url: null,
      });
    },
    "GET /v1/invoices": (_, params) =>
      list(
        all("invoice").filter((one) => one["customer"] === params["customer"]),
        params,
      ),
    "GET /v1/invoices/:id": (id) => withTotal(find(id, "invoice")),
    "DELETE /v1/invoices/:id": (id) => {
      open(find(id, "invoice"), ["draft"]);
      for (const item of itemsOf(id)) objects.delete(item.id);
      objects.delete(id);
      return { id, object: "invoice", deleted: true };
    },
    "POST /v1/invoices/:id/finalize": (id) => {
      const invoice = withTotal(find(id, "invoice"));
      open(invoice, ["draft"]);
      return Object.assign(invoice, {
        status: invoice["total"] === 0 ? "paid" : "open",
        hosted_invoice_url: `https://invoice.stripe.com/i/${id}`,
      });
    },
    "POST /v1/invoices/:id/void": (id) => {
      const invoice = find(id, "invoice");
      open(invoice, ["open", "uncollectible"]);
      return Object.assign(invoice, { status: "void" });
    },
    "POST /v1/invoiceitems": (_, params, secret) => {
      const invoice = find(params["invoice"] ?? "", "invoice");
      open(invoice, ["draft"]);
      const amount = Number(params["amount"]);
      if (!Number.isSafeInteger(amount))
        throw new StripeFailure(400, "invalid_request_error", `Invalid integer: ${params["amount"]}`);
      return create("invoiceitem", "ii", secret, params, {
        invoice: invoice.id,
        customer: params["customer"],
        currency: params["currency"],
        amount,
        description: params["description"],
      });
    },
    "GET /v1/invoiceitems": (_, params) => list(itemsOf(params["invoice"] ?? ""), params),
    "POST /v1/credit_notes": (_, params, secret) => {
      const invoice = withTotal(find(params["invoice"] ?? "", "invoice"));
      open(invoice, ["open", "paid", "uncollectible"]);
      const amount = Number(params["amount"]);
      const before = all("credit_note").filter((note) => note["invoice"] === invoice.id);
      if (before.reduce((sum, note) => sum + note["amount"], amount) > invoice["total"])
        throw new StripeFailure(400, "invalid_request_error", "The credit note is more than the invoice.");
      return create("credit_note", "cn", secret, params, { ...params, invoice: invoice.id, amount });
    },
    "GET /v1/credit_notes": (_, params) =>
      list(
        all("credit_note").filter((note) => note["invoice"] === params["invoice"]),
        params,
      ),
  };

  function answer(call: string, id: string, params: Params, secret: string, key: string | null) {
    const fault = faults.find((one) => one.on === call && one.left > 0);
    if (fault) fault.left -= 1;
    const kind = fault?.kind;
    const scope = `${secret}:${key}`;
    if (kind === "429") return { status: 429, body: failure("rate_limit_error", "Too many requests") };
    if (kind === "close-before") return "close" as const;

    const handler = handlers[call];
    if (handler === undefined)
      return { status: 404, body: failure("invalid_request_error", `Unrecognized request URL (${call})`) };
    const fingerprint = JSON.stringify([call, id, params]);
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
      if (kind === "402") return { status: 402, body: failure("card_error", "It was declined") };
      try {
        const body = structuredClone(handler(id, params, secret));
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
    const { call, id, params, secret, key } = await read(request);
    requests.push({ call, key, secret });
    const scope = `${secret}:${key}`;
    if (key !== null && underWay.has(scope)) {
      return send(response, 409, failure("idempotency_error", "in use", "idempotency_key_in_use"));
    }
    underWay.add(scope);
    const outcome = answer(call, id, params, secret, key);
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
    all,
    addFault: ({ on, kind, times = 1 }) => faults.push({ on, kind, left: times }),
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

/** The members of a form such as `metadata[a]=1`. */
function nested(params: Params, name: string): Params {
  const entries = Object.entries(params).flatMap(([key, value]) => {
    const member = /^(\w+)\[(\w+)\]$/.exec(key);
    return member?.[1] === name && member[2] !== undefined ? [[member[2], value] as const] : [];
  });
  return Object.fromEntries(entries);
}

function list(found: StripeObject[], params: Params) {
  const since = Number(params["created[gte]"] ?? 0);
  const newestFirst = found.filter((one) => one.created >= since).reverse();
  const after = params["starting_after"];
  const from = after === undefined ? 0 : newestFirst.findIndex((one) => one.id === after) + 1;
  const limit = Number(params["limit"] ?? 10);
  return {
    object: "list",
    url: "/v1",
    data: newestFirst.slice(from, from + limit),
    has_more: newestFirst.length > from + limit,
  };
}

async function read(request: IncomingMessage) {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const url = new URL(request.url ?? "/", "http://stripe");
  const form = request.method === "GET" ? url.search.slice(1) : Buffer.concat(chunks).toString();
  let id = "";
  const path = url.pathname.replace(/\/((?:cus|in|ii|cn)_\w+)/, (_, found: string) => {
    id = found;
    return "/:id";
  });
  const header = request.headers["idempotency-key"];
  return {
    call: `${request.method} ${path}`,
    id,
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

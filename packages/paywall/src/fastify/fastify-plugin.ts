import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Charged, RunningCall } from "../call/charge.ts";
import type { ChargedTarget } from "../call/charged-target.ts";
import { type Paywall, partsOf } from "../create-paywall.ts";
import type { Call } from "../credential/call.ts";
import { clientResponseOf } from "../http/client-response.ts";
import { type HttpRequest, toHttpCall, UnreadableBody } from "../http/http-call.ts";
import { type ChargedRoute, type HttpOptions, targetOf, toChargedRoute } from "../http/http-options.ts";
import { fieldsOf, followResponse } from "../http/node-response.ts";
import { refusalResponse } from "../http/refusal-response.ts";
import { WHOLE_BODY_SIZE, WholeResponse } from "../http/whole-response.ts";
import type { FinishedRun } from "../modes/outcome.ts";
import type { PaywallCore } from "../paywall-core.ts";
import { RefusedError } from "../refusal/refused-error.ts";
import { property } from "../util/record.ts";
import { withResolvers } from "../util/with-resolvers.ts";

/** The price of requests to one Fastify route, and who may make them. */
export type FastifyChargeOptions = HttpOptions<FastifyRequest>;

declare module "fastify" {
  interface FastifyContextConfig {
    /** The price of a request to this route; read by the plugin of `@licentric/paywall/fastify`. */
    charge?: FastifyChargeOptions;
  }
}

/** A request on its way through its handler. */
interface OpenRequest {
  /** Tells what it came to, and resolves when that is settled. */
  settle(finished: FinishedRun): Promise<Charged>;
  /** The headers that its handler found. */
  readonly before: Fields;
}

type Fields = ReturnType<FastifyReply["getHeaders"]>;

/**
 * Charges for the routes of a Fastify app that say in their `config` what they cost. It stands behind the parsing and
 * validation of a request, and settles the request before its response is sent; a stream is settled when it ends or its
 * client goes.
 *
 * @param app - the app, or a part of it: routes that are registered with it later are charged for
 * @param options - the paywall
 * @throws TypeError where the paywall was not made by `createPaywall`, or a route's options are wrong
 * @example
 * ```ts
 * import { createPaywall } from "@licentric/paywall";
 * import { paywallPlugin } from "@licentric/paywall/fastify";
 * import Fastify from "fastify";
 *
 * const paywall = createPaywall({ baseUrl: "http://127.0.0.1:4242" });
 * const app = Fastify();
 * await app.register(paywallPlugin, { paywall });
 * app.get("/report", { config: { charge: { meterName: "pages", charge: "success" } } }, async (request) => ({
 *   for: paywall.callOf(request).caller.agentId,
 * }));
 * ```
 */
export async function paywallPlugin(
  app: FastifyInstance,
  { paywall }: { readonly paywall: Paywall },
): Promise<void> {
  const { core, defaults, starts } = partsOf(paywall);
  const routes = new WeakMap<object, ChargedRoute>();
  const openRequests: OpenRequests = new WeakMap();

  const add = (charge: FastifyChargeOptions, where: string) => {
    const route = toChargedRoute(charge, defaults, where);
    routes.set(charge, route);
    return route;
  };

  // Says at the start what is wrong with a route's options.
  app.addHook("onRoute", ({ config, method, url }) => {
    if (config?.charge !== undefined) add(config.charge, `${[method].flat().join(",")} ${url}`);
  });

  app.addHook("preHandler", async (request, reply) => {
    const { config, url = request.url } = request.routeOptions;
    if (config.charge === undefined) return;
    // A route that was there before this plugin was loaded has run no `onRoute`.
    const route = routes.get(config.charge) ?? add(config.charge, `${request.method} ${url}`);
    const target = targetOf(route, request.method, request.url);
    const call = await toHttpCall(core, target, toHttpRequest(request, followResponse(reply.raw)));
    if ("code" in call) return send(reply, refusalResponse(call));
    const begin = (running: RunningCall) => starts(request, running);
    const given = await chargeUntilBegun(core, { call, target, begin }, openRequests, request, reply);
    if (given === undefined) return;
    const sent = clientResponseOf(core, given, "paywallPlugin");
    return sent.status === "replaced" ? send(reply, sent.response) : undefined;
  });

  app.addHook("onSend", async (request, reply, payload) => {
    const open = openRequests.get(request);
    if (open === undefined) return payload;
    openRequests.delete(request);
    return settlePayload(core, open, reply, payload);
  });

  // What is answered past Fastify (`reply.hijack`, `reply.raw`) is settled when it has been sent.
  app.addHook("onResponse", async (request, reply) => {
    await openRequests.get(request)?.settle(finishedRunOf(reply, reply.raw));
    openRequests.delete(request);
  });
}

type OpenRequests = WeakMap<FastifyRequest, OpenRequest>;

/** Begins to charge for a request. Returns undefined once its handler may run; what it came to where that does not run. */
async function chargeUntilBegun(
  core: PaywallCore,
  { call, target, begin }: { call: Call; target: ChargedTarget; begin: (running: RunningCall) => void },
  openRequests: OpenRequests,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Charged | undefined> {
  let hasBegun = false;
  const begun = withResolvers<undefined>();
  const charged = core.charge(call, target, async (running) => {
    begin(running);
    reply.raw.once("close", () => {
      const open = openRequests.get(request);
      if (open !== undefined && endGone(reply, open)) openRequests.delete(request);
    });
    const finished = withResolvers<FinishedRun>();
    openRequests.set(request, {
      settle(run) {
        finished.resolve(run);
        return charged;
      },
      before: { ...reply.getHeaders() },
    });
    begun.resolve(undefined);
    return finished.promise;
  });
  charged.catch((error: unknown) => {
    if (hasBegun) core.emitter.emit("failed", { reason: UNSETTLED, error, ...target });
  });
  const given = await Promise.race([begun.promise, charged]);
  hasBegun = given === undefined;
  return given;
}

/** Settles a request by what its reply is to send. Returns what is sent. */
async function settlePayload(
  core: PaywallCore,
  open: OpenRequest,
  reply: FastifyReply,
  payload: unknown,
): Promise<unknown> {
  if (isResponse(payload) && payload.bodyUsed) {
    // Fastify says what is wrong with it.
    await open.settle({ ...finishedRunOf(reply, payload), outcome: { status: "failed" } });
    return payload;
  }
  let sent = isResponse(payload) ? unpack(payload, reply) : payload;
  const stream = streamOf(sent);
  if (stream !== undefined) {
    const read = await readNow(stream).catch(async (error: unknown) => {
      await open.settle({ ...finishedRunOf(reply, stream), outcome: { status: "failed" } });
      throw error;
    });
    if ("rest" in read) return settlesAfter(read.rest, open, reply);
    sent = read.whole;
  }
  const own = clientResponseOf(core, await open.settle(finishedRunOf(reply, sent)), "paywallPlugin");
  if (own.status === "replaced") return withhold(reply, open.before, own.response);
  if (own.status === "own") reply.headers(Object.fromEntries(own.headers));
  return sent;
}

// Without a scope of its own, so that routes beside the plugin are charged for, too.
Object.assign(paywallPlugin, {
  [Symbol.for("skip-override")]: true,
  [Symbol.for("fastify.display-name")]: "@licentric/paywall",
});

const UNSETTLED = "a call could not be settled";

function send(reply: FastifyReply, { status, statusText, headers, body }: WholeResponse): FastifyReply {
  reply.raw.statusMessage = statusText;
  // Several cookies are several headers.
  for (const [name, value] of headers) reply.header(name, value);
  return reply.code(status).send(body === null ? undefined : Buffer.from(body));
}

/** Puts a refusal in place of a reply; returns its body. */
function withhold(reply: FastifyReply, before: Fields, { status, headers, body }: WholeResponse): Buffer {
  // The handler's headers may be what has to be paid for; those that it found are the server's own.
  for (const name of Object.keys(reply.getHeaders())) {
    reply.removeHeader(name);
    reply.raw.removeHeader(name);
  }
  reply.raw.statusMessage = "";
  reply.code(status).headers(before).headers(Object.fromEntries(headers));
  return Buffer.from(body ?? []);
}

/** Reads the finished run from a reply, by what is sent. */
function finishedRunOf(reply: FastifyReply, payload: unknown): FinishedRun {
  const status = reply.statusCode;
  const outcome =
    status < 400 ? ({ status: "done", result: reply } as const) : ({ status: "failed" } as const);
  return { completion: { status: "returned", result: wholeOf(reply, payload) ?? reply.raw }, outcome };
}

function wholeOf(reply: FastifyReply, payload: unknown): WholeResponse | undefined {
  const isEmpty = payload === undefined || payload === null;
  if (!isEmpty && typeof payload !== "string" && !(payload instanceof Uint8Array)) return undefined;
  return new WholeResponse(
    {
      status: reply.statusCode,
      statusText: reply.raw.statusMessage ?? "",
      headers: fieldsOf(reply.getHeaders()),
    },
    isEmpty ? null : Uint8Array.from(Buffer.from(payload)),
  );
}

function streamOf(payload: unknown): AsyncIterable<unknown> | undefined {
  const isStream = typeof payload === "object" && payload !== null && Symbol.asyncIterator in payload;
  return isStream ? (payload as AsyncIterable<unknown>) : undefined;
}

/** A stream that can be let go of before its end. */
interface Source extends AsyncIterable<unknown> {
  cancel(): void;
}

/**
 * Reads what there is of a stream at once: all of it, where it was made of a string or of bytes.
 *
 * @throws what the stream fails with
 */
async function readNow(
  stream: AsyncIterable<unknown>,
): Promise<{ readonly whole: Buffer } | { readonly rest: Source }> {
  const iterator = stream[Symbol.asyncIterator]();
  const chunks: unknown[] = [];
  let pending: Promise<IteratorResult<unknown>> | undefined;
  let size = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const later = new Promise<"later">((resolve) => {
    timer = setTimeout(resolve, 0, "later");
  });
  try {
    while (size <= WHOLE_BODY_SIZE) {
      pending = iterator.next();
      const read = await Promise.race([pending, later]);
      if (read === "later") break;
      if (read.done) return { whole: Buffer.concat(chunks.map(bytesOf)) };
      chunks.push(read.value);
      pending = undefined;
      const length =
        typeof read.value === "string" ? Buffer.byteLength(read.value) : property(read.value, "byteLength");
      // What is none of a body's is for Fastify to refuse.
      if (typeof length !== "number") break;
      size += length;
    }
  } finally {
    clearTimeout(timer);
  }
  return { rest: restOf(stream, iterator, chunks, pending) };
}

const bytesOf = (chunk: unknown) => (typeof chunk === "string" ? Buffer.from(chunk) : (chunk as Uint8Array));

function restOf(
  stream: AsyncIterable<unknown>,
  iterator: AsyncIterator<unknown>,
  chunks: readonly unknown[],
  first: Promise<IteratorResult<unknown>> | undefined,
): Source {
  let pending = first;
  // Where nobody goes on, nobody waits for it.
  pending?.catch(() => undefined);
  const cancel = () => {
    // An iterator that is still asked for something would end only after that.
    if (stream instanceof Readable) stream.destroy();
    else void iterator.return?.()?.catch(() => undefined);
  };
  return {
    cancel,
    async *[Symbol.asyncIterator]() {
      try {
        yield* chunks;
        for (;;) {
          const read = await (pending ?? iterator.next());
          pending = undefined;
          if (read.done) return;
          yield read.value;
        }
      } finally {
        cancel();
      }
    },
  };
}

/** As Fastify tells one, of any copy of the fetch API. */
function isResponse(payload: unknown): payload is Response {
  return Object.prototype.toString.call(payload) === "[object Response]";
}

/** Sets a response's status and headers, as Fastify would do after all hooks; returns its body. */
function unpack(response: Response, reply: FastifyReply): ReadableStream<Uint8Array> | null {
  reply.code(response.status);
  for (const [name, value] of response.headers) reply.header(name, value);
  return response.body;
}

/** A stream that ends once it is settled. Whoever goes before its end has had what it is charged for. */
function settlesAfter(stream: Source, open: OpenRequest, reply: FastifyReply): Readable {
  let finished: FinishedRun = finishedRunOf(reply, stream);
  let hasBegun = false;
  async function* parts(): AsyncGenerator<unknown> {
    hasBegun = true;
    let charged: Charged | undefined;
    try {
      yield* stream;
    } catch (error) {
      finished = { ...finished, outcome: { status: "failed" } };
      throw error;
    } finally {
      charged = await open.settle(finished);
    }
    if (charged.status === "ran" && charged.settlement.status === "refused")
      throw new RefusedError(charged.settlement.refusal);
  }
  const settled = Readable.from(parts(), { objectMode: false });
  // Where nothing was read of it, nothing in `parts` runs.
  settled.once("close", () => {
    if (hasBegun) return;
    void open.settle(finished);
    stream.cancel();
  });
  return settled;
}

/**
 * Settles a reply past Fastify (`reply.hijack`, `reply.raw`) whose client has gone: Fastify tells nobody of it. False
 * where the handler is still to answer by Fastify.
 */
function endGone(reply: FastifyReply, open: OpenRequest): boolean {
  const { headersSent } = reply.raw;
  if (!reply.sent && !headersSent) return false;
  const finished = finishedRunOf(reply, reply.raw);
  void open.settle(headersSent ? finished : { ...finished, outcome: { status: "failed" } });
  return true;
}

function toHttpRequest(request: FastifyRequest, signal: AbortSignal): HttpRequest {
  return {
    method: request.method,
    url: request.originalUrl,
    header: (name) => request.headers[name]?.toString(),
    args: request,
    signal,
    async body() {
      const { body, headers } = request;
      const isSent = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
      // A parser may leave it to the handler, as @fastify/multipart does.
      const isLeft = isSent && (body === undefined || body === null) && request.raw.readable;
      const isStream = typeof body === "object" && body !== null && Symbol.asyncIterator in body;
      if (!isLeft && !isStream) return body;
      throw new UnreadableBody(ADVICE);
    },
  };
}

const ADVICE =
  "paywallPlugin: a request with an Idempotency-Key was refused, as its body is a stream, which cannot tell a repetition from another request; parse its content type whole";

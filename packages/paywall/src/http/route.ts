import { type Charged, completionOf, type RunningCall } from "../call/charge.ts";
import type { FinishedRun } from "../modes/outcome.ts";
import type { PaywallCore } from "../paywall-core.ts";
import { type ChargeOptions, checkWrapped } from "../pricing/charge-options.ts";
import { RefusedError } from "../refusal/refused-error.ts";
import { property } from "../util/record.ts";
import { type Resolvable, withResolvers } from "../util/with-resolvers.ts";
import { clientResponseOf } from "./client-response.ts";
import { type HttpRequest, KEYED_BODY_SIZE, toHttpCall, UnreadableBody } from "./http-call.ts";
import { type HttpOptions, targetOf, toChargedRoute } from "./http-options.ts";
import { isMultipart, readForm } from "./multipart.ts";
import { joined, passOn, type ReadBody, readAtOnce, type StreamEnd } from "./read-body.ts";
import { refusalResponse } from "./refusal-response.ts";
import { toResponse, WholeResponse } from "./whole-response.ts";

/** Answers web-standard requests. */
export type RouteHandler<Rest extends readonly unknown[]> = (
  request: Request,
  call: RunningCall,
  ...rest: Rest
) => Response | Promise<Response>;

/** Wraps a handler of web-standard requests; see {@link Paywall.route}. */
export type WrapRoute = <Rest extends readonly unknown[] = []>(
  options: HttpOptions<Request, Response>,
  handler: RouteHandler<Rest>,
) => (request: Request, ...rest: Rest) => Promise<Response>;

/** Makes `paywall.route` of one paywall. */
export function createRoute(
  core: PaywallCore,
  defaults: Partial<ChargeOptions>,
  starts: (request: object, call: RunningCall) => void,
): WrapRoute {
  return (options, handler) => {
    checkWrapped("paywall.route", options, handler);
    const route = toChargedRoute(options, defaults, "paywall.route");
    return async (request, ...rest) => {
      const { pathname, search } = new URL(request.url);
      const target = targetOf(route, request.method, pathname);
      const client = follow(request.signal);
      const sent = toHttpRequest(request, pathname + search, client.signal);
      const call = await toHttpCall(core, target, sent);
      if ("code" in call) return toResponse(refusalResponse(call));
      const routeResponse: RouteResponse = {
        request,
        streamed: withResolvers(),
        own: undefined,
        isStreamed: false,
      };
      const charged = core.charge(call, target, async (running) => {
        starts(request, running);
        const completion = await completionOf(() => handler(request, running, ...rest));
        // From now on the client has its response, whether it reads that or not.
        client.leave();
        if (completion.status === "threw") return { completion, outcome: { status: "failed" } };
        return take(routeResponse, completion.result, () => charged);
      });
      charged.catch((error: unknown) => {
        if (routeResponse.isStreamed) core.emitter.emit("failed", { reason: UNSETTLED, error, ...target });
      });
      try {
        const settled = charged.then((given) => responseTo(core, routeResponse, given));
        return (await Promise.race([routeResponse.streamed.promise, settled])) ?? GONE();
      } catch (error) {
        if (client.signal.aborted && error === client.signal.reason) return GONE();
        throw error;
      } finally {
        client.leave();
      }
    };
  };
}

const UNSETTLED = "a call could not be settled after its response had begun";

/** Nobody sees it: the client has gone. The status is the one that proxies log. */
const GONE = () => new Response(null, { status: 499 });

/** The response of a route: its handler's, on its way to the client. */
interface RouteResponse {
  readonly request: Request;
  readonly streamed: Resolvable<Response>;
  own: Response | undefined;
  isStreamed: boolean;
}

/** Takes a handler's response, and returns the run that it means; of a stream, once that has ended. */
async function take(
  routeResponse: RouteResponse,
  response: unknown,
  charged: () => Promise<Charged>,
): Promise<FinishedRun> {
  if (!isResponse(response))
    return threw(new TypeError("paywall.route: the handler has to return a Response"));
  routeResponse.own = response;
  // A network error has status 0.
  const isDone = response.status > 0 && response.status < 400;
  const outcome = isDone ? ({ status: "done", result: response } as const) : ({ status: "failed" } as const);
  const returned = (result: unknown) => ({ completion: { status: "returned", result }, outcome }) as const;
  // A switch of protocols, and what is no response at all, are passed on as they are.
  if (response.status < 200) return returned(response);
  let body: ReadBody | null;
  try {
    body = await bodyOf(response, routeResponse.request.method);
  } catch (error) {
    return threw(error);
  }
  if (body === null || "whole" in body) {
    const whole = body?.whole ?? null;
    if (response.body !== null) routeResponse.own = new Response(whole, response);
    return returned(new WholeResponse(headOf(response), whole));
  }
  routeResponse.isStreamed = true;
  const end = await sendAsRead(routeResponse, body, response, charged);
  return end === "failed"
    ? { ...returned(response), outcome: { status: "failed" } as const }
    : returned(response);
}

async function bodyOf(response: Response, method: string): Promise<ReadBody | null> {
  if (method === "HEAD") return withoutBody(response);
  return response.body && readAtOnce(response.body);
}

function sendAsRead(
  { request: { signal }, streamed }: RouteResponse,
  body: Exclude<ReadBody, { readonly whole: unknown }>,
  response: Response,
  charged: () => Promise<Charged>,
): Promise<StreamEnd> {
  return new Promise((ended) => {
    const passed = passOn(body, ended, async () => refusedError(await charged()));
    const leave = () => {
      ended("client gone");
      void body.reader.cancel(signal.reason).catch(() => undefined);
    };
    // Some servers do not cancel a body that nobody reads any more.
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
    streamed.resolve(new Response(passed, response));
  });
}

/** Returns the response to a request that was charged for; undefined where it was cancelled. */
function responseTo(core: PaywallCore, { own }: RouteResponse, charged: Charged): Response | undefined {
  const sent = clientResponseOf(core, charged, "paywall.route");
  if (sent.status === "replaced") return toResponse(sent.response);
  return sent.status === "own" && own !== undefined ? withHeaders(own, sent.headers) : undefined;
}

const threw = (error: unknown) =>
  ({ completion: { status: "threw", error }, outcome: { status: "failed" } }) as const;

/** Adds headers to a response whose own may be immutable. */
function withHeaders(response: Response, headers: WholeResponse["headers"]): Response {
  // A switch of protocols, and what is no response at all, cannot be made anew.
  if (headers.length === 0 || response.status < 200) return response;
  const made = new Response(response.body, response);
  for (const [name, value] of headers) made.headers.set(name, value);
  return made;
}

/** Nobody reads the body of a response to `HEAD`. */
function withoutBody({ body }: Response): null {
  // What it is told is that nobody waits for it: how it takes that is nobody's affair either.
  body?.cancel().catch(() => undefined);
  return null;
}

function refusedError(charged: Charged): Error | undefined {
  if (charged.status !== "ran" || charged.settlement.status !== "refused") return undefined;
  return new RefusedError(charged.settlement.refusal);
}

/** A response of any copy of the fetch API. */
function isResponse(value: unknown): value is Response {
  return (
    typeof property(value, "status") === "number" && typeof property(value, "arrayBuffer") === "function"
  );
}

const headOf = ({ status, statusText, headers }: Response) => ({ status, statusText, headers: [...headers] });

/** A signal that aborts with the client's, until it has its response. */
function follow(client: AbortSignal) {
  const controller = new AbortController();
  const abort = () => controller.abort(client.reason);
  if (client.aborted) abort();
  else client.addEventListener("abort", abort, { once: true });
  return { signal: controller.signal, leave: () => client.removeEventListener("abort", abort) };
}

function toHttpRequest(request: Request, url: string, signal: AbortSignal): HttpRequest {
  return {
    method: request.method,
    url,
    header: (name) => request.headers.get(name) ?? undefined,
    args: request,
    signal,
    body: () => readKeyedBody(request),
  };
}

/** Reads a copy of a request's body: the handler reads the request itself. */
async function readKeyedBody(request: Request): Promise<unknown> {
  if (request.body === null) return undefined;
  if (request.bodyUsed)
    throw new UnreadableBody(
      "paywall.route: the request's body was read before the paywall saw it, so that repetitions under an Idempotency-Key cannot be told from other requests; read it in the handler",
    );
  const chunks: Uint8Array[] = [];
  const reader = request.clone().body?.getReader();
  let size = 0;
  for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
    size += read.value.byteLength;
    if (size > KEYED_BODY_SIZE) {
      // Neither copy is read on. They wait for each other, so nobody waits for them.
      for (const copy of [reader, request.body]) copy?.cancel().catch(() => undefined);
      throw new UnreadableBody(undefined, TOO_LARGE);
    }
    chunks.push(read.value);
  }
  const bytes = joined(chunks, size);
  const type = request.headers.get("content-type") ?? undefined;
  return (isMultipart(type) ? await readForm(bytes, type) : undefined) ?? bytes;
}

const TOO_LARGE = `A request with an Idempotency-Key has a body of at most ${KEYED_BODY_SIZE} bytes. Send a smaller one, or no key. Nothing was run or charged.`;

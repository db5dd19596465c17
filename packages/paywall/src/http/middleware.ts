import type { IncomingMessage, ServerResponse } from "node:http";
import type { RunningCall } from "../call/charge.ts";
import type { FinishedRun } from "../modes/outcome.ts";
import type { PaywallCore } from "../paywall-core.ts";
import type { ChargeOptions } from "../pricing/charge-options.ts";
import { property } from "../util/record.ts";
import { timerDelay } from "../util/timer-delay.ts";
import { clientResponseOf } from "./client-response.ts";
import { type HttpRequest, toHttpCall, UnreadableBody } from "./http-call.ts";
import { type HttpOptions, targetOf, toChargedRoute } from "./http-options.ts";
import { isMultipart, parsedFiles } from "./multipart.ts";
import {
  type DeferredResponse,
  deferEnd,
  followResponse,
  type ResponseEnd,
  sendWhole,
} from "./node-response.ts";
import { refusalResponse } from "./refusal-response.ts";

/** Middleware of Express, Connect and others that serve Node's own requests. */
export type Middleware<Incoming extends IncomingMessage = IncomingMessage> = (
  request: Incoming,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** Makes `paywall.middleware` of one paywall. */
export function createMiddleware(
  core: PaywallCore,
  defaults: Partial<ChargeOptions>,
  starts: (request: object, call: RunningCall) => void,
) {
  return <Incoming extends IncomingMessage>(options: HttpOptions<Incoming>): Middleware<Incoming> => {
    const route = toChargedRoute(options, defaults, "paywall.middleware");
    const lifetime = (route.policy.reserveFor ?? DEFAULT_RESERVATION) * 1_000;

    async function serve(request: Incoming, response: ServerResponse, next: () => void): Promise<void> {
      const url = urlOf(request);
      const target = targetOf(route, request.method ?? "GET", url);
      const client = followResponse(response);
      const call = await toHttpCall(core, target, toHttpRequest(request, url, client));
      if ("code" in call) return sendWhole(response, refusalResponse(call));
      let deferred: DeferredResponse | undefined;
      let thrown: { readonly error: unknown } | undefined;
      const run = async (running: RunningCall): Promise<FinishedRun> => {
        starts(request, running);
        deferred = deferEnd(response);
        try {
          next();
        } catch (error) {
          thrown = { error };
          if (!deferred.isEnded()) {
            deferred.release();
            return { completion: { status: "threw", error }, outcome: { status: "failed" } };
          }
        }
        const end = await endOf(deferred, client, route.policy.charge === "reserve", lifetime);
        deferred.restoreHead();
        return finishedRunOf(response, deferred, end);
      };
      const charged = await core.charge(call, target, run).catch((error: unknown) => {
        if (client.aborted && error === client.reason) return undefined;
        throw error;
      });
      if (charged === undefined) return;
      const sent = clientResponseOf(core, charged, "paywall.middleware");
      if (sent.status === "cancelled") return;
      if (sent.status === "own") deferred?.release(sent.headers);
      else if (deferred === undefined) sendWhole(response, sent.response);
      else deferred.replace(sent.response);
      if (thrown !== undefined) throw thrown.error;
    }

    return (request, response, next) => {
      serve(request, response, next).catch(next);
    };
  };
}

/** Seconds that units are reserved, and that a call is waited for once its client has gone, where its options do not say. */
const DEFAULT_RESERVATION = 300;

/**
 * Waits until a response has ended. Where its client goes before it was answered, its handler may go on, and what it does
 * is charged for all the same; for a limited time, as many handlers stop then, and end nothing.
 */
async function endOf(
  deferred: DeferredResponse,
  client: AbortSignal,
  isReleased: boolean,
  lifetime: number,
): Promise<ResponseEnd> {
  const end = await deferred.ended;
  if (end !== "client gone unanswered" || isReleased || !client.aborted) return end;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const given = new Promise<ResponseEnd>((resolve) => {
    timer = setTimeout(resolve, timerDelay(lifetime), end);
    timer.unref?.();
  });
  try {
    return await Promise.race([deferred.handlerEnded.then(() => "ended" as const), given]);
  } finally {
    clearTimeout(timer);
  }
}

/** Reads the finished run from a response. */
function finishedRunOf(response: ServerResponse, deferred: DeferredResponse, end: ResponseEnd): FinishedRun {
  // What is not whole cannot be given twice.
  const result = deferred.whole() ?? response;
  const isDone = (end === "ended" || end === "client gone") && response.statusCode < 400;
  return {
    completion: { status: "returned", result },
    outcome: isDone ? { status: "done", result: response } : { status: "failed" },
  };
}

/** The path and query that were asked for, wherever a router is mounted. */
function urlOf(request: IncomingMessage): string {
  const original = property(request, "originalUrl");
  return (typeof original === "string" ? original : request.url) ?? "/";
}

function toHttpRequest(request: IncomingMessage, url: string, signal: AbortSignal): HttpRequest {
  return {
    method: request.method ?? "GET",
    url,
    header: (name) => request.headers[name]?.toString(),
    args: request,
    signal,
    body: async () => bodyOf(request),
  };
}

/** Returns the body that a parser has read. */
function bodyOf(request: IncomingMessage): unknown {
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  if (encoding === undefined && (length === undefined || length === "0")) return undefined;
  const body = property(request, "body");
  if (request.readableDidRead && body !== undefined) {
    if (!isMultipart(request.headers["content-type"])) return body;
    const files = parsedFiles(request);
    if (files !== undefined) return [body, files];
    throw new UnreadableBody(
      "paywall.middleware: a request with an Idempotency-Key was refused, as the bytes of a file in its form are not in memory, and tell a repetition from another request; use multer.memoryStorage()",
    );
  }
  throw new UnreadableBody(
    "paywall.middleware: a request with an Idempotency-Key was refused, as nothing had read its body, which tells a repetition from another request; put a body parser such as express.json() before the paywall",
  );
}

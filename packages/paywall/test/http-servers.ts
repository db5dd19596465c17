import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { serve } from "@hono/node-server";
import compression from "compression";
import express from "express";
import express4 from "express4";
import Fastify from "fastify";
import { Hono } from "hono";
import { paywallPlugin } from "../src/fastify.ts";
import type { Paywall, RunningCall } from "../src/index.ts";

/** What a charged handler of any framework answers. */
export interface TestAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string is sent at once, anything else as it comes. */
  readonly body: string | AsyncIterable<string>;
}

/**
 * A handler behind `POST /report`, whatever serves it.
 *
 * @param gone - resolves when the server has learned that the client has gone
 */
export type TestHandler = (
  call: RunningCall,
  body: unknown,
  gone: Promise<unknown>,
) => Promise<TestAnswer> | TestAnswer;

/** What the route costs, in words that every framework's options have. */
export interface TestCharge {
  readonly meterName: string;
  readonly charge: "call" | "success" | "reserve";
  readonly quantity?: number;
  readonly enforceBudget?: boolean;
  readonly scopes?: readonly string[];
}

/** A server that listens. */
export interface TestServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves a charged route `POST /report`. */
export type ServeRoute = (paywall: Paywall, charge: TestCharge, handler: TestHandler) => Promise<TestServer>;

async function* bytes(body: AsyncIterable<string>) {
  for await (const chunk of body) yield new TextEncoder().encode(chunk);
}

const streamOf = (body: AsyncIterable<string>) =>
  Readable.toWeb(Readable.from(bytes(body), { objectMode: false, highWaterMark: 1 })) as ReadableStream;

function webRoute(paywall: Paywall, charge: TestCharge, handler: TestHandler) {
  return paywall.route(charge, async (request, call) => {
    const text = await request.text();
    const {
      status = 200,
      headers = {},
      body,
    } = await handler(call, text === "" ? undefined : JSON.parse(text), once(request.signal, "abort"));
    return new Response(typeof body === "string" ? body : streamOf(body), { status, headers });
  });
}

async function listen(listener: RequestListener): Promise<TestServer> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/report`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const serveHono: ServeRoute = async (paywall, charge, handler) => {
  const route = webRoute(paywall, charge, handler);
  const app = new Hono().post("/report", (context) => route(context.req.raw));
  const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 });
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/report`,
    async close() {
      if ("closeAllConnections" in server) server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

const serveExpress =
  (make: typeof express, ...before: readonly express.RequestHandler[]): ServeRoute =>
  async (paywall, charge, handler) => {
    const app = make();
    app.post("/report", ...before, make.json(), paywall.middleware(charge), (request, response, next) => {
      const answer = async () => {
        const {
          status = 200,
          headers = {},
          body,
        } = await handler(paywall.callOf(request), request.body, once(response, "close"));
        response.status(status).set(headers);
        if (typeof body === "string") response.send(body);
        else Readable.from(bytes(body), { objectMode: false }).pipe(response);
      };
      // Express 4 does not look at what a handler returns.
      answer().catch(next);
    });
    app.use(((_error, _request, response, _next) => {
      response.status(500).json({ error: "broken" });
    }) satisfies express.ErrorRequestHandler);
    return listen(app);
  };

const serveFastify: ServeRoute = async (paywall, charge, handler) => {
  const app = Fastify();
  await app.register(paywallPlugin, { paywall });
  app.post("/report", { config: { charge } }, async (request, reply) => {
    const {
      status = 200,
      headers = {},
      body,
    } = await handler(paywall.callOf(request), request.body, once(reply.raw, "close"));
    reply.code(status).headers(headers);
    return typeof body === "string" ? body : Readable.from(bytes(body), { objectMode: false });
  });
  const origin = await app.listen({ port: 0, host: "127.0.0.1" });
  return {
    url: `${origin}/report`,
    async close() {
      app.server.closeAllConnections();
      await app.close();
    },
  };
};

/** Everything that can serve a charged route. */
export const SERVERS: Readonly<Record<string, ServeRoute>> = {
  "a web-standard route (Hono)": serveHono,
  "Express's middleware": serveExpress(express),
  "Express 4's middleware": serveExpress(express4),
  "Express's middleware behind compression": serveExpress(express, compression({ threshold: 0 })),
  "Fastify's plugin": serveFastify,
};

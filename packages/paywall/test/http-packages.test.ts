import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import multipart from "@fastify/multipart";
import compression from "compression";
import express from "express";
import express4 from "express4";
import Fastify, { type FastifyInstance } from "fastify";
import multer from "multer";
import { describe, expect, it, vi } from "vitest";
import { paywallPlugin } from "../src/fastify.ts";
import type { PaywallEvents } from "../src/index.ts";
import { books, call, listen, RESERVE, SUCCESS, shop, signed, useShop } from "./http-shop.ts";

useShop();

// The packages that stand around a paywall, each the real one.

const keyed = { "idempotency-key": "k" };
const EXPRESS = { "Express 5": express, "Express 4": express4 };

describe.each(Object.entries(EXPRESS))("%s", (_, make) => {
  it.each([SUCCESS, RESERVE])(
    "takes next(error) in the middle of a body for a failure: $charge",
    async (charge) => {
      const app = make();
      // Its own error handler says it on standard error.
      app.set("env", "test");
      app.get("/report", shop.paywall.middleware(charge), (_request, response, next) => {
        response.write("part", () => next(new Error("broken")));
      });
      const url = await listen(app);
      await expect(call(url).then((response) => response.text())).rejects.toThrow();
      await vi.waitFor(() => expect(shop.ledger.reserved()).toBe(0));
      await setImmediate();
      expect(books()).toEqual([[], 0]);
    },
  );

  it("bills a client that stops reading until its connection times out", async () => {
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const app = make();
    app.get("/report", shop.paywall.middleware(SUCCESS), (_request, response) => {
      response.write("x".repeat(8_388_608));
      begin();
    });
    const server = createServer(app);
    server.setTimeout(100);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    shop.closings.push(async () => server.close());
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const headers = new Headers(signed().headers);
    client.write(`GET /report HTTP/1.1\r\nhost: a\r\nauthorization: ${headers.get("authorization")}\r\n\r\n`);
    await begun;
    client.pause();
    await vi.waitFor(() => expect(books()).toEqual([[5], 0]), 4_000);
    client.destroy();
  });

  it.each<[string, (client: Socket) => unknown]>([
    ["resets its connection", (client) => client.resetAndDestroy()],
    ["ends its connection", (client) => client.end()],
    ["closes its connection", (client) => client.destroy()],
    ["sends what is no HTTP", (client) => client.write("\r\n\0 no HTTP\r\n\r\n")],
    ["sends a malformed request behind its own", (client) => client.write("GET / HTTP/9.9\r\nhost\r\n\r\n")],
  ])("bills a client that, in the middle of a body, %s", async (_, leave) => {
    const app = make();
    app.get("/report", shop.paywall.middleware(SUCCESS), (_request, response) => {
      const more = setInterval(() => response.write("more "), 5);
      response.once("close", () => clearInterval(more));
    });
    const client = connect(Number(new URL(await listen(app)).port), "127.0.0.1");
    client.on("error", () => undefined);
    client.write(
      `GET /report HTTP/1.1\r\nhost: a\r\nauthorization: ${new Headers(signed().headers).get("authorization")}\r\n\r\n`,
    );
    await once(client, "data");
    leave(client);
    await vi.waitFor(() => expect(books()).toEqual([[5], 0]), 4_000);
    client.destroy();
  });

  it("is compressed by `compression` in front of it, once, and again for a repetition", async () => {
    let runs = 0;
    const app = make();
    app.use(compression({ threshold: 0 }));
    app.get("/report", shop.paywall.middleware(SUCCESS), (_request, response) => {
      response.json({ run: ++runs, text: "sun ".repeat(1_000) });
    });
    const url = await listen(app);
    for (const accepted of ["gzip", "gzip", "identity"]) {
      const response = await call(url, { headers: { ...keyed, "accept-encoding": accepted } });
      expect(response.headers.get("content-encoding")).toBe(accepted === "gzip" ? "gzip" : null);
      expect(await response.json()).toMatchObject({ run: 1 });
    }
    expect(books()).toEqual([[5], 0]);
    const refused = await fetch(url, { headers: { "accept-encoding": "gzip" } });
    expect([refused.status, await refused.json()]).toEqual([
      401,
      expect.objectContaining({ error: "missing_token" }),
    ]);
  });

  it("streams through `compression`, and is settled at the end", async () => {
    const app = make();
    app.use(compression({ threshold: 0 }));
    app.get("/report", shop.paywall.middleware(RESERVE), (_request, response) => {
      response.type("text/plain");
      Readable.from(["one ", "two"]).pipe(response);
    });
    const response = await call(await listen(app));
    expect([response.headers.get("content-encoding"), await response.text()]).toEqual(["gzip", "one two"]);
    expect(books()).toEqual([[5], 0]);
  });

  /** A form with one file; each has a boundary of its own. */
  const form = (bytes: string) => {
    const body = new FormData();
    body.set("city", "Rome");
    body.set("map", new File([bytes], "map.png", { type: "image/png" }));
    return { method: "POST", body, headers: keyed };
  };

  const upload = (parser: express.RequestHandler) => {
    let runs = 0;
    const app = make();
    app.post("/report", parser, shop.paywall.middleware(SUCCESS), (_request, response) => {
      response.json({ run: ++runs });
    });
    return listen(app);
  };

  it.each([
    ["one file", multer({ storage: multer.memoryStorage() }).single("map")],
    ["any files", multer({ storage: multer.memoryStorage() }).any()],
    ["fields of files", multer({ storage: multer.memoryStorage() }).fields([{ name: "map" }])],
  ])("tells a form that is sent again from one with another file: %s", async (_, parser) => {
    const url = await upload(parser as express.RequestHandler);
    for (let time = 0; time < 2; time++)
      expect(await (await call(url, form("a"))).json()).toEqual({ run: 1 });
    expect((await call(url, form("b"))).status).toBe(409);
    expect(books()).toEqual([[5], 0]);
  });

  it("refuses a form under a key whose files are on the disk, and says why", async () => {
    const failed: PaywallEvents["failed"][] = [];
    shop.paywall.on("failed", (event) => failed.push(event));
    const onDisk: express.RequestHandler = (request, _response, next) => {
      request.resume().once("end", () => {
        Object.assign(request, {
          body: {},
          file: { fieldname: "map", mimetype: "image/png", path: "/tmp/x" },
        });
        next();
      });
    };
    expect((await call(await upload(onDisk), form("a"))).status).toBe(409);
    expect(failed).toEqual([
      expect.objectContaining({ reason: expect.stringContaining("multer.memoryStorage()") }),
    ]);
    expect(books()).toEqual([[], 0]);
  });
});

describe("a web-standard route", () => {
  it("tells a form that is sent again from one with another file, or in another order", async () => {
    let runs = 0;
    const route = shop.paywall.route(SUCCESS, async (request) => {
      const sent = await request.formData();
      return Response.json({ run: ++runs, fields: [...sent.keys()] });
    });
    const post = (bytes: string, ...names: readonly string[]) => {
      const body = new FormData();
      for (const name of names) body.append(name, new File([bytes], "map.png"));
      return route(new Request("http://a.test/report", signed({ method: "POST", body, headers: keyed })));
    };
    for (let time = 0; time < 2; time++)
      expect(await (await post("a", "map", "other")).json()).toEqual({ run: 1, fields: ["map", "other"] });
    expect((await post("b", "map", "other")).status).toBe(409);
    expect((await post("a", "other", "map")).status).toBe(409);
    expect(books()).toEqual([[5], 0]);
  });

  it("compares a form that is malformed by its bytes", async () => {
    const route = shop.paywall.route(SUCCESS, () => new Response("answer"));
    const post = (body: string) => {
      const headers = { ...keyed, "content-type": "multipart/form-data; boundary=x" };
      return route(new Request("http://a.test/report", signed({ method: "POST", body, headers })));
    };
    const statuses = [await post("no form"), await post("no form"), await post("none")].map(
      ({ status }) => status,
    );
    expect(statuses).toEqual([200, 200, 409]);
  });

  it("is a route handler of Next: its request, and what it hands over besides", async () => {
    // What a handler of Next's app router gets: a request of its own class, and the route's parameters in a promise.
    class NextRequest extends Request {
      readonly nextUrl = new URL(this.url);
    }
    const GET = shop.paywall.route(
      SUCCESS,
      async (request, { caller }, context: { params: Promise<{ city: string }> }) => {
        const { city } = await context.params;
        return Response.json({
          city,
          for: caller.agentId,
          unit: (request as NextRequest).nextUrl.searchParams.get("unit"),
        });
      },
    );
    const get = (init: RequestInit) =>
      GET(new NextRequest("http://a.test/forecast/rome?unit=C", init), {
        params: Promise.resolve({ city: "rome" }),
      });
    expect(await (await get(signed())).json()).toEqual({ city: "rome", for: "agt_1", unit: "C" });
    expect((await get({})).status).toBe(401);
    expect(books()).toEqual([[5], 0]);
  });
});

describe("Fastify", () => {
  async function serve(
    build: (app: FastifyInstance) => void,
    before: (app: FastifyInstance) => unknown = () => undefined,
  ) {
    const app = Fastify();
    await before(app);
    await app.register(paywallPlugin, { paywall: shop.paywall });
    build(app);
    const origin = await app.listen({ port: 0, host: "127.0.0.1" });
    shop.closings.push(() => {
      app.server.closeAllConnections();
      return app.close();
    });
    return `${origin}/report`;
  }

  const bodies: [string, () => unknown][] = [
    ["a Response with a string", () => new Response("secret")],
    ["a Response with bytes", () => new Response(new TextEncoder().encode("secret"))],
    ["a stream of strings", () => Readable.from(["sec", "ret"])],
    ["a stream of bytes", () => Readable.from([Buffer.from("secret")])],
    ["a stream of the web", () => new Blob(["secret"]).stream()],
  ];

  it.each(bodies)(
    "settles %s that is there at once before it is sent, and gives it to a repetition",
    async (_, body) => {
      let runs = 0;
      const url = await serve((app) =>
        app.get("/report", { config: { charge: SUCCESS } }, async (_request, reply) => {
          runs++;
          return reply.send(body());
        }),
      );
      for (let time = 0; time < 2; time++) {
        const response = await call(url, { headers: keyed });
        expect([response.status, await response.text()]).toEqual([200, "secret"]);
      }
      expect([runs, ...books()]).toEqual([1, [5], 0]);
    },
  );

  it.each(bodies)("does not deliver %s that could not be billed", async (_, body) => {
    const url = await serve((app) =>
      app.get("/report", { config: { charge: SUCCESS } }, async (_request, reply) => {
        shop.ledger.refuseWith("billing_unavailable");
        return reply.send(body());
      }),
    );
    const response = await call(url);
    expect(response.status).toBe(503);
    expect(await response.text()).not.toContain("secret");
    expect(books()).toEqual([[], 0]);
  });

  it.each([SUCCESS, RESERVE])(
    "takes a stream that fails before it has begun for a failure: $charge",
    async (charge) => {
      const url = await serve((app) =>
        app.get("/report", { config: { charge } }, async () => {
          return new Readable({
            read() {
              this.destroy(new Error("broken"));
            },
          });
        }),
      );
      expect((await call(url)).status).toBe(500);
      await vi.waitFor(() => expect(books()).toEqual([[], 0]));
    },
  );

  it("compares the form that @fastify/multipart has read, and refuses a key where it is left to the handler", async () => {
    const post = (url: string, bytes: string) => {
      const body = new FormData();
      body.set("map", new File([bytes], "map.png"));
      return call(url, { method: "POST", body, headers: keyed });
    };
    const handle = (app: FastifyInstance) =>
      app.post("/report", { config: { charge: SUCCESS } }, async () => "answer");
    const whole = await serve(handle, (app) => app.register(multipart, { attachFieldsToBody: "keyValues" }));
    const statuses = [await post(whole, "a"), await post(whole, "a"), await post(whole, "b")].map(
      ({ status }) => status,
    );
    expect(statuses).toEqual([200, 200, 409]);
    expect(books()).toEqual([[5], 0]);
    const left = await serve(handle, (app) => app.register(multipart));
    expect((await post(left, "c")).status).toBe(409);
    expect(books()).toEqual([[5], 0]);
  });
});

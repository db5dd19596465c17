import { once } from "node:events";
import { Readable } from "node:stream";
import Fastify, { type FastifyInstance } from "fastify";
import { describe, expect, it, vi } from "vitest";
import { paywallPlugin } from "../src/fastify.ts";
import { books, call, RESERVE, SUCCESS, shop, useShop } from "./http-shop.ts";

useShop();

async function listenFastify(build: (app: FastifyInstance) => void): Promise<string> {
  const app = Fastify();
  await app.register(paywallPlugin, { paywall: shop.paywall });
  build(app);
  const origin = await app.listen({ port: 0, host: "127.0.0.1" });
  shop.closings.push(() => {
    app.server.closeAllConnections();
    return app.close();
  });
  return `${origin}/report`;
}

describe("Fastify's plugin", () => {
  it("charges for routes that were there before it was loaded", async () => {
    const app = Fastify();
    // Without `await`, as many write it, it is loaded when the app is ready; and this one is before it anyhow.
    app.get("/report", { config: { charge: SUCCESS } }, async () => "answer");
    app.register(paywallPlugin, { paywall: shop.paywall });
    app.get("/other", { config: { charge: SUCCESS } }, async () => "answer");
    for (const url of ["/report", "/other"]) expect((await app.inject({ url })).statusCode).toBe(401);
    expect(books()).toEqual([[], 0]);
    await app.close();
  });

  it("passes a Response on, with its status and headers", async () => {
    let status = 201;
    const url = await listenFastify((app) =>
      app.get("/report", { config: { charge: SUCCESS } }, async () => {
        return new Response("answer", { status, headers: { "x-own": "1" } });
      }),
    );
    const done = await call(url);
    expect([done.status, done.headers.get("x-own"), await done.text()]).toEqual([201, "1", "answer"]);
    status = 404;
    const failed = await call(url);
    expect([failed.status, failed.headers.get("x-own"), await failed.text()]).toEqual([404, "1", "answer"]);
    expect(books()).toEqual([[5], 0]);
  });

  it("takes a Response that has been read for a failure", async () => {
    const url = await listenFastify((app) =>
      app.get("/report", { config: { charge: RESERVE } }, async () => {
        const response = new Response("answer");
        await response.text();
        return response;
      }),
    );
    expect((await call(url)).status).toBe(500);
    expect(books()).toEqual([[], 0]);
  });

  it("gives a repetition every cookie", async () => {
    const url = await listenFastify((app) =>
      app.get("/report", { config: { charge: SUCCESS } }, async (_request, reply) => {
        reply.header("set-cookie", ["a=1", "b=2"]).code(201);
        return "answer";
      }),
    );
    for (let time = 0; time < 2; time++) {
      const response = await call(url, { headers: { "idempotency-key": "k" } });
      expect([response.status, response.headers.getSetCookie()]).toEqual([201, ["a=1", "b=2"]]);
    }
  });

  it("keeps what a handler says in headers back, too, where it cannot be billed", async () => {
    const url = await listenFastify((app) => {
      app.addHook("onRequest", async (_request, reply) => {
        reply.header("access-control-allow-origin", "https://a.test");
      });
      app.get("/report", { config: { charge: SUCCESS } }, async (_request, reply) => {
        shop.ledger.refuseWith("billing_unavailable");
        return reply.header("x-secret", "1").redirect("https://signed.test/secret");
      });
    });
    const response = await call(url);
    expect(response.status).toBe(503);
    expect(JSON.stringify([...response.headers])).not.toContain("secret");
    expect(response.headers.get("access-control-allow-origin")).toBe("https://a.test");
  });

  it.each([RESERVE, SUCCESS])(
    "settles a stream whose client went before it began: $charge",
    async (charge) => {
      let begin: () => void = () => undefined;
      const begun = new Promise<void>((resolve) => {
        begin = resolve;
      });
      const source = Readable.from(["a", "b"]);
      const url = await listenFastify((app) =>
        app.get("/report", { config: { charge } }, async (_request, { raw }) => {
          begin();
          await once(raw, "close");
          return source;
        }),
      );
      const client = new AbortController();
      const sent = call(url, { signal: client.signal });
      await begun;
      client.abort();
      await expect(sent).rejects.toThrow();
      await vi.waitFor(() => expect(source.destroyed).toBe(true));
      await vi.waitFor(() => expect(books()).toEqual([charge === SUCCESS ? [5] : [], 0]));
    },
  );

  it("settles a hijacked reply, also where its client goes", async () => {
    const url = await listenFastify((app) =>
      app.get("/report", { config: { charge: RESERVE } }, async (request, reply) => {
        reply.hijack();
        reply.raw.write("part");
        if (request.headers["x-end"]) reply.raw.end();
      }),
    );
    expect(await (await call(url, { headers: { "x-end": "1" } })).text()).toBe("part");
    await vi.waitFor(() => expect(books()).toEqual([[5], 0]));
    const client = new AbortController();
    await call(url, { signal: client.signal });
    client.abort();
    await vi.waitFor(() => expect(books()).toEqual([[5, 5], 0]));
  });

  it("settles HEAD requests", async () => {
    const url = await listenFastify((app) =>
      app.get("/report", { config: { charge: RESERVE } }, async () => Readable.from(["a", "b"])),
    );
    expect((await call(url, { method: "HEAD" })).status).toBe(200);
    await vi.waitFor(() => expect(books()).toEqual([[5], 0]));
  });

  it("compares a body of bytes without taking the server's time", async () => {
    const url = await listenFastify((app) => {
      app.addContentTypeParser("application/own", { parseAs: "buffer" }, (_request, body, done) =>
        done(null, body),
      );
      app.post("/report", { config: { charge: SUCCESS } }, async () => "answer");
    });
    const post = (body: Uint8Array<ArrayBuffer>) =>
      call(url, {
        method: "POST",
        body,
        headers: { "content-type": "application/own", "idempotency-key": "k" },
      });
    const body = new Uint8Array(1_000_000);
    const from = process.cpuUsage();
    expect((await post(body)).status).toBe(200);
    expect(process.cpuUsage(from).user / 1_000).toBeLessThan(150);
    expect((await post(new Uint8Array(1_000_000).fill(1))).status).toBe(409);
  });
});

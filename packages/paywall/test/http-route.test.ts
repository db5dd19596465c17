import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { describe, expect, it, vi } from "vitest";
import { books, call, RESERVE, SUCCESS, shop, signed, type TestRequest, useShop } from "./http-shop.ts";

useShop();
const web = (init: TestRequest = {}) => new Request("http://x.test/report", signed(init));

describe("a web-standard route", () => {
  const broken: Record<string, () => Response> = {
    "fails at once": () =>
      new Response(new ReadableStream({ start: (body) => body.error(new Error("broken")) })),
    "has been read": () => {
      const response = new Response("x");
      void response.text();
      return response;
    },
    "is of no bytes": () =>
      new Response(new ReadableStream({ start: (body) => body.enqueue("text" as unknown as Uint8Array) })),
  };
  it.each(Object.entries(broken))("takes an answer whose body %s for a failure", async (_, answer) => {
    const route = shop.paywall.route(RESERVE, answer);
    const sent = { headers: { "idempotency-key": "k" } };
    await expect(route(web(sent)).then((response) => response.text())).rejects.toThrow();
    expect(books()).toEqual([[], 0]);
    // Whatever the repetition comes to, it ends.
    await route(web(sent)).then(
      (response) => response.text().catch(() => "threw"),
      () => "threw",
    );
    expect(books()).toEqual([[], 0]);
  });

  it("takes a network error for a failure", async () => {
    const route = shop.paywall.route(RESERVE, () => Response.error());
    expect((await route(web())).status).toBe(0);
    expect(books()).toEqual([[], 0]);
  });

  it("settles a HEAD request, whose body nobody reads", async () => {
    let cancelled = false;
    const route = shop.paywall.route(RESERVE, () => {
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          controller.enqueue(new Uint8Array(10));
        },
        cancel() {
          cancelled = true;
        },
      });
      return new Response(body, { headers: { "x-own": "1" } });
    });
    const app = new Hono().get("/report", (context) => route(context.req.raw));
    const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 });
    await new Promise((resolve) => server.once("listening", resolve));
    shop.closings.push(() => new Promise((resolve) => server.close(resolve)));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/report`;
    const response = await call(url, { method: "HEAD" });
    expect([response.status, response.headers.get("x-own")]).toEqual([200, "1"]);
    await vi.waitFor(() => expect([...books(), cancelled]).toEqual([[5], 0, true]));
  });

  it("gives a repetition every cookie, the status text and a Blob's bytes", async () => {
    const route = shop.paywall.route(SUCCESS, () => {
      const answer = new Response(new Blob(["blob"], { type: "text/own" }), {
        status: 201,
        statusText: "Well",
      });
      answer.headers.append("set-cookie", "a=1");
      answer.headers.append("set-cookie", "b=2");
      return answer;
    });
    for (let time = 0; time < 2; time++) {
      const answer = await route(web({ headers: { "idempotency-key": "k" } }));
      expect([answer.status, answer.statusText, answer.headers.getSetCookie(), await answer.text()]).toEqual([
        201,
        "Well",
        ["a=1", "b=2"],
        "blob",
      ]);
    }
  });
});

import type { IncomingMessage, ServerResponse } from "node:http";
import express from "express";
import { describe, expect, it, vi } from "vitest";
import { books, call, listen, RESERVE, SUCCESS, shop, useShop } from "./http-shop.ts";

useShop();

describe("Express's middleware", () => {
  const app = (handler: express.RequestHandler, charge: typeof SUCCESS | typeof RESERVE = SUCCESS) => {
    const app = express();
    app.all("/report", express.json(), shop.paywall.middleware(charge), handler);
    app.use(((_error, _request, response, _next) => {
      response.status(500).json({ error: "broken, and much longer than the answer" });
    }) satisfies express.ErrorRequestHandler);
    return app;
  };

  it("sends and bills the answer of a handler that throws after it", async () => {
    const url = await listen(
      app(async (_request, response) => {
        response.status(201).set("X-Own", "1").send("answer");
        throw new Error("late");
      }),
    );
    const response = await call(url);
    expect([response.status, response.headers.get("x-own"), await response.text()]).toEqual([
      201,
      "1",
      "answer",
    ]);
    expect(books()).toEqual([[5], 0]);
  });

  it("ignores what is written after the end", async () => {
    const url = await listen(
      app((_request, response) => {
        response.end("answer");
        response.write("more");
      }),
    );
    expect(await (await call(url)).text()).toBe("answer");
    expect(books()).toEqual([[5], 0]);
  });

  it("keeps what a handler says in headers back, too, where it cannot be billed", async () => {
    const own = express();
    own.use((_request, response, next) => {
      response.set("access-control-allow-origin", "https://a.test");
      next();
    });
    own.use(
      app((_request, response) => {
        shop.ledger.refuseWith("billing_unavailable");
        response.set("x-secret", "1").cookie("secret", "1").redirect("https://signed.test/secret");
      }),
    );
    const response = await call(await listen(own));
    expect(response.status).toBe(503);
    expect(JSON.stringify([...response.headers])).not.toContain("secret");
    expect(response.headers.get("access-control-allow-origin")).toBe("https://a.test");
  });

  it.each([
    [{ "x-own": "1", "set-cookie": ["a=1", "b=2"] }],
    [["x-own", "1", "set-cookie", "a=1", "set-cookie", "b=2"]],
  ])("settles before it is sent what is answered by writeHead with %j", async (fields) => {
    let runs = 0;
    const url = await listen(
      app((_request, response) => {
        runs++;
        response.writeHead(201, "Well", fields as unknown as Record<string, string>);
        response.end("answer");
      }),
    );
    for (let time = 0; time < 2; time++) {
      const { status, statusText, headers, ...response } = await call(url, {
        headers: { "idempotency-key": "k" },
      }).then(async (sent) => ({
        status: sent.status,
        statusText: sent.statusText,
        headers: sent.headers,
        text: await sent.text(),
      }));
      expect([status, statusText, headers.get("x-own"), headers.getSetCookie(), response.text]).toEqual([
        201,
        "Well",
        "1",
        ["a=1", "b=2"],
        "answer",
      ]);
    }
    expect([runs, ...books()]).toEqual([1, [5], 0]);
    shop.ledger.refuseWith("billing_unavailable");
  });

  it("answers why what writeHead began could not be billed", async () => {
    const url = await listen(
      app((_request, response) => {
        shop.ledger.refuseWith("billing_unavailable");
        response.writeHead(200, { "x-secret": "1" }).end("secret");
      }),
    );
    const response = await call(url);
    expect([response.status, response.headers.get("x-secret")]).toEqual([503, null]);
  });

  it("streams after writeHead, and by flushHeaders", async () => {
    let arrive: () => void = () => undefined;
    let headArrived = Promise.resolve();
    const url = await listen(
      app((request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        if (request.query["flush"] !== undefined) response.flushHeaders();
        else response.write("data: 1\n\n");
        void headArrived.then(() => response.end("data: 2\n\n"));
      }),
    );
    for (const query of ["", "?flush"]) {
      headArrived = new Promise((resolve) => {
        arrive = resolve;
      });
      // Its end waits for this: were the head held until then, nothing would come.
      const response = await call(url + query);
      arrive();
      expect(response.headers.get("content-type")).toBe("text/event-stream");
      expect(await response.text()).toContain("data: 2");
    }
    expect(books()).toEqual([[5, 5], 0]);
  });

  it("takes a stream that its handler destroys for a failure", async () => {
    const url = await listen(
      app((_request, response) => {
        response.write("part");
        setTimeout(() => response.destroy(new Error("broken")), 20);
      }, RESERVE),
    );
    await expect(call(url).then((sent) => sent.text())).rejects.toThrow();
    await vi.waitFor(() => expect(books()).toEqual([[], 0]));
  });

  it("sends files, ranges and 304", async () => {
    const url = await listen(app((_request, response) => response.sendFile(import.meta.filename)));
    const whole = await call(url);
    const text = await whole.text();
    expect(text).toContain("sends files, ranges");
    const part = await call(url, { headers: { range: "bytes=0-5" } });
    expect([part.status, await part.text()]).toEqual([206, text.slice(0, 6)]);
    const cached = { "if-none-match": whole.headers.get("etag") ?? "", "cache-control": "max-age=60" };
    const same = await call(url, { headers: cached });
    expect([same.status, await same.text()]).toEqual([304, ""]);
    const head = await call(url, { method: "HEAD" });
    expect([head.status, Number(head.headers.get("content-length"))]).toEqual([200, Buffer.byteLength(text)]);
    await vi.waitFor(() => expect(books()).toEqual([[5, 5, 5, 5], 0]));
  });
});

it("settles a request of a bare server whose handler throws at once", async () => {
  const charge = shop.paywall.middleware(RESERVE);
  const seen: unknown[] = [];
  const url = await listen((request: IncomingMessage, response: ServerResponse) => {
    charge(request, response, (error) => {
      if (error === undefined) throw new Error("broken");
      seen.push(error);
      response.statusCode = 500;
      response.end("sorry");
    });
  });
  const response = await call(url);
  expect([response.status, await response.text(), seen.length]).toEqual([500, "sorry", 1]);
  expect(books()).toEqual([[], 0]);
});

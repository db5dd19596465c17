import express from "express";
import { expect, it } from "vitest";
import { books, call, listen, SUCCESS, shop, signed, useShop } from "./http-shop.ts";

useShop();

const keyed = { headers: { "idempotency-key": "k" } };

async function serveSlowly() {
  let runs = 0;
  const app = express();
  app.use(
    "/",
    express.json(),
    shop.paywall.middleware({ ...SUCCESS, name: "any" }),
    async (request, response) => {
      const run = ++runs;
      if (request.query["stream"] !== undefined) response.write("part ");
      await new Promise((resolve) => setTimeout(resolve, 50));
      response.end(`run ${run}`);
    },
  );
  return { url: await listen(app), runs: () => runs };
}

it("runs once for repetitions at one time, and once for each agent", async () => {
  const { url, runs } = await serveSlowly();
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => call(url, keyed).then((sent) => sent.text())),
  );
  expect(new Set(answers)).toEqual(new Set(["run 1"]));
  const other = shop.ledger.authorize("agt_2");
  const sent = await call(url, { headers: { ...keyed.headers, authorization: `Bearer ${other}` } });
  expect([await sent.text(), runs(), ...books()]).toEqual(["run 2", 2, [5, 5], 0]);
});

it("tells a repetition from another method, query or content type under one name", async () => {
  const { url, runs } = await serveSlowly();
  await call(url, keyed);
  const json = { "content-type": "application/json", ...keyed.headers };
  const others = [
    await call(`${url}?a=1`, keyed),
    await call(url, { method: "PUT", ...keyed }),
    await call(url, { method: "POST", headers: json, body: "{}" }),
    await call(url, { method: "HEAD", ...keyed }),
  ];
  expect(others.map(({ status }) => status)).toEqual([409, 409, 409, 409]);
  expect([runs(), ...books()]).toEqual([1, [5], 0]);
});

it("refuses a repetition of a stream, also while it runs", async () => {
  const { url, runs } = await serveSlowly();
  const first = await call(`${url}?stream`, keyed);
  expect((await call(`${url}?stream`, keyed)).status).toBe(409);
  expect(await first.text()).toBe("part run 1");
  expect((await call(`${url}?stream`, keyed)).status).toBe(409);
  expect([runs(), ...books()]).toEqual([1, [5], 0]);
});

it.each(["", "Bearer", "Bearer  ", "bearer x y", "Bearer AGT-1, Bearer AGT-2", "AGT-1"])(
  "does not run for the credential %j",
  async (authorization) => {
    const { url, runs } = await serveSlowly();
    expect((await call(url, { headers: { authorization } })).status).toBe(401);
    expect(runs()).toBe(0);
  },
);

it("waits for a stream where it closes, and bills it", async () => {
  const { url } = await serveSlowly();
  const response = await call(`${url}?stream`);
  await shop.paywall.close();
  expect([await response.text(), ...books()]).toEqual(["part run 1", [5], 0]);
});

it("answers on one connection after a refusal whose request body nobody read", async () => {
  const { url } = await serveSlowly();
  const body = "x".repeat(3_000_000);
  const refused = await fetch(url, { method: "POST", body, headers: { "content-type": "text/own" } });
  expect(refused.status).toBe(401);
  await refused.text();
  expect((await fetch(url, signed())).status).toBe(200);
});

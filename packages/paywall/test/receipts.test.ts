import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildPaywall, type Paywall } from "../src/create-paywall.ts";
import type { ChargeMode, ChargeOptions, PaywallOptions, Receipt } from "../src/index.ts";
import { createPaywall } from "../src/index.ts";
import { buildCore } from "../src/paywall-core.ts";
import { losing } from "../src/testing/losing-gateway.ts";
import { createTestLedger, type TestLedger } from "../src/testing.ts";
import { SERVERS, type TestServer } from "./http-servers.ts";

// A receipt names the usage events that a call was billed by: those, and no others, are in the ledger.

let ledger: TestLedger;
let token: string;
let servers: TestServer[];
let receipts: Receipt[];
beforeEach(() => {
  ledger = createTestLedger();
  token = ledger.authorize("agt_1");
  servers = [];
  receipts = [];
});
afterEach(async () => {
  for (const server of servers) await server.close();
});

const makePaywall = (options: PaywallOptions = {}, gateway = ledger.gateway): Paywall =>
  buildPaywall(options, buildCore(options, gateway));

/** The receipt that the ledger's own events make. */
function ofLedger(): Receipt {
  const events = ledger.usage.map(({ idempotencyKey, quantity }) => ({ idempotencyKey, quantity }));
  const quantity = events.reduce((sum, event) => sum + event.quantity, 0);
  return { meterName: "pages", quantity, events };
}

const MODES: readonly ChargeMode[] = ["call", "success", "reserve"];
const pages = (charge: ChargeMode, quantity = 20) => ({ meterName: "pages", charge, quantity });
const onReceipt = (receipt: Receipt) => void receipts.push(receipt);

describe("the receipt of a call by code", () => {
  it.each(MODES)("is told once where it is charged by %s", async (charge) => {
    await makePaywall().charge({ token, name: "report", onReceipt }, pages(charge), () => "done");
    expect(receipts).toEqual([ofLedger()]);
    expect(receipts[0]).toMatchObject({ quantity: 20, events: [{ quantity: 20 }] });
  });

  it.each(["success", "reserve"] as const)("counts what was reported, by %s", async (charge) => {
    await makePaywall().charge({ token, name: "report", onReceipt }, pages(charge), (call) => {
      call.reportUsage(3);
      call.reportUsage(4);
    });
    expect(receipts).toEqual([ofLedger()]);
    expect(receipts[0]?.quantity).toBe(7);
  });

  it("names two events where more was used than was reserved", async () => {
    await makePaywall().charge({ token, name: "report", onReceipt }, pages("reserve"), (call) =>
      call.reportUsage(25),
    );
    expect(receipts).toEqual([ofLedger()]);
    expect(receipts[0]?.events.map(({ quantity }) => quantity)).toEqual([20, 5]);
  });

  it.each(MODES)("is the first call's of a repetition, by %s", async (charge) => {
    const paywall = makePaywall();
    const call = { token, name: "report", idempotencyKey: "k", onReceipt };
    for (let times = 0; times < 2; times++) await paywall.charge(call, pages(charge), () => "done");
    expect(receipts).toEqual([ofLedger(), ofLedger()]);
  });

  it("is told where the call is billed and its function throws", async () => {
    const call = makePaywall().charge({ token, name: "report", onReceipt }, pages("call"), () => {
      throw new Error("no such city");
    });
    await expect(call).rejects.toThrow("no such city");
    expect(receipts).toEqual([ofLedger()]);
  });

  const fail = async () => {
    throw new Error("no such city");
  };
  const UNBILLED: readonly (readonly [string, ChargeOptions, () => unknown])[] = [
    ["costs nothing", { scopes: [] }, () => "done"],
    ["uses nothing", pages("success", 0), () => "done"],
    ["fails", pages("success"), fail],
    ["fails and gives back what was reserved", pages("reserve"), fail],
  ];
  it.each(UNBILLED)("is not told where the call %s", async (_, options, run) => {
    await makePaywall()
      .charge({ token, name: "report", onReceipt }, options, run)
      .catch(() => undefined);
    expect([receipts, ledger.usage]).toEqual([[], []]);
  });

  it("is not told where the call is refused", async () => {
    const unknown = { token: "AGT-00000000-unknown", name: "report", onReceipt };
    await expect(makePaywall().charge(unknown, pages("call"), () => "done")).rejects.toThrow();
    expect(receipts).toEqual([]);
  });

  it.each(MODES)("names the event of a lost request that pays for the next call, by %s", async (charge) => {
    const gateway = losing(ledger.gateway);
    const paywall = makePaywall({}, gateway);
    gateway.fates = charge === "call" ? ["answer"] : ["fine", "answer"];
    const call = () => paywall.charge({ token, name: "report", onReceipt }, pages(charge), () => "done");
    await expect(call()).rejects.toThrow();
    await call();
    expect(ledger.usage).toHaveLength(1);
    expect(receipts).toEqual([ofLedger()]);
  });
});

describe.each(Object.entries(SERVERS))("the receipt of a request to %s", (_, serve) => {
  async function post(options: PaywallOptions, charge: ChargeMode, body: string | AsyncIterable<string>) {
    const handler = () => ({ headers: { "x-own": "1" }, body });
    const server = await serve(makePaywall(options), pages(charge), handler);
    servers.push(server);
    return (headers: Record<string, string> = {}) =>
      fetch(server.url, { method: "POST", headers: { authorization: `Bearer ${token}`, ...headers } });
  }

  it.each(MODES)("is a header beside the handler's own, by %s", async (charge) => {
    const response = await (await post({ receipts: true }, charge, "done"))();
    expect(JSON.parse(response.headers.get("licentric-receipt") ?? "null")).toEqual(ofLedger());
    expect([response.headers.get("x-own"), await response.text()]).toEqual(["1", "done"]);
  });

  it.each(MODES)("is the first request's of a repetition, by %s", async (charge) => {
    const send = await post({ receipts: true }, charge, "done");
    const sent = [await send({ "idempotency-key": "k" }), await send({ "idempotency-key": "k" })];
    const headers = sent.map((response) => JSON.parse(response.headers.get("licentric-receipt") ?? "null"));
    expect(headers).toEqual([ofLedger(), ofLedger()]);
  });

  it("is not sent where receipts are off", async () => {
    const response = await (await post({}, "call", "done"))();
    expect([response.status, response.headers.get("licentric-receipt")]).toEqual([200, null]);
  });

  it("is not sent with a refusal, nor before a stream is settled", async () => {
    let goOn: () => void = () => undefined;
    const isRead = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    async function* stream() {
      yield "one";
      await isRead;
      yield "two";
    }
    const send = await post({ receipts: true }, "success", stream());
    const refused = await send({ authorization: "Bearer AGT-00000000-unknown" });
    const streamed = await send();
    goOn();
    expect([refused.status, streamed.status, await streamed.text()]).toEqual([401, 200, "onetwo"]);
    expect([refused, streamed].map(({ headers }) => headers.get("licentric-receipt"))).toEqual([null, null]);
    expect(ledger.usage).toHaveLength(1);
  });
});

it("refuses another value for the option at once", () => {
  const receipts: unknown = "yes";
  expect(() => createPaywall({ receipts } as PaywallOptions)).toThrow("receipts is true or false");
});

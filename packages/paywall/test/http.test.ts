import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { buildPaywall, type Paywall } from "../src/create-paywall.ts";
import type { PaywallEvents } from "../src/index.ts";
import { buildCore } from "../src/paywall-core.ts";
import { createTestLedger, type TestLedger } from "../src/testing.ts";
import {
  SERVERS,
  type ServeRoute,
  type TestAnswer,
  type TestCharge,
  type TestHandler,
  type TestServer,
} from "./http-servers.ts";

let ledger: TestLedger;
let paywall: Paywall;
let token: string;
let failed: PaywallEvents["failed"][];
let servers: TestServer[];

beforeEach(() => {
  ledger = createTestLedger();
  paywall = buildPaywall({}, buildCore({}, ledger.gateway));
  failed = [];
  paywall.on("failed", (event) => failed.push(event));
  token = ledger.authorize("agt_1");
  servers = [];
});
afterEach(async () => {
  for (const server of servers) await server.close();
});

const MODES = ["call", "success", "reserve"] as const;
const pages = (charge: TestCharge["charge"]): TestCharge => ({ meterName: "pages", charge, quantity: 5 });
const billed = () => ledger.usage.map(({ quantity }) => quantity);

/** A promise, and the function that resolves it. */
function gate() {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe.each(Object.entries(SERVERS))("%s", (name, serve: ServeRoute) => {
  async function start(charge: TestCharge, handler: TestHandler) {
    const server = await serve(paywall, charge, handler);
    servers.push(server);
    return (headers: Record<string, string | undefined> = {}, init: RequestInit = {}) => {
      const all = Object.entries({ authorization: `Bearer ${token}`, ...headers });
      const sent = all.filter((header): header is [string, string] => header[1] !== undefined);
      return fetch(server.url, { method: "POST", headers: sent, ...init });
    };
  }

  const json = (body: unknown) => ({
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

  describe.each(MODES)("charged by %s", (charge) => {
    it("answers what the handler does, and bills it once", async () => {
      const post = await start(pages(charge), ({ caller }) => ({
        headers: { "x-own": "1", "content-type": "text/plain" },
        body: `for ${caller.agentId}`,
      }));
      const response = await post();
      expect([response.status, response.headers.get("x-own"), await response.text()]).toEqual([
        200,
        "1",
        "for agt_1",
      ]);
      expect([billed(), ledger.reserved()]).toEqual([[5], 0]);
    });

    it.each([
      ["no token", undefined, 401, "missing_token"],
      ["another scheme", "Basic eDp5", 401, "invalid_token"],
      ["a token that nobody has", "Bearer AGT-00000000-unknown", 401, "invalid_token"],
    ])("does not run with %s", async (_, authorization, status, code) => {
      const post = await start(pages(charge), () => expect.unreachable());
      const response = await post({ authorization });
      expect(response.status).toBe(status);
      expect(response.headers.get("www-authenticate")).toMatch(/^Bearer/);
      expect(await response.json()).toMatchObject({ refusal: { code, status } });
      expect(billed()).toEqual([]);
    });

    it("answers 402, 403, 429 and 503 with what to do", async () => {
      const post = await start({ ...pages(charge), enforceBudget: true, scopes: ["mcp:invoke"] }, () =>
        expect.unreachable(),
      );
      const poor = ledger.authorize("agt_poor", { budgets: { pages: 1 } });
      const other = ledger.authorize("agt_other", { scopes: ["read"] });
      const statusFor = async (agent: string) => (await post({ authorization: `Bearer ${agent}` })).status;
      expect([await statusFor(poor), await statusFor(other)]).toEqual([402, 403]);
      ledger.refuseWith("rate_limited", { retryAfter: 7 });
      const limited = await post();
      expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "7"]);
      ledger.refuseWith("billing_unavailable");
      expect((await post()).status).toBe(503);
      expect([billed(), ledger.reserved()]).toEqual([[], 0]);
    });

    it.each([400, 404, 500])("takes an answer of %i for a failure", async (status) => {
      const post = await start(pages(charge), () => ({ status, body: "no" }));
      const response = await post();
      expect([response.status, await response.text()]).toEqual([status, "no"]);
      expect([billed(), ledger.reserved()]).toEqual([charge === "call" ? [5] : [], 0]);
    });

    it("takes a handler that throws for a failure", async () => {
      const post = await start(pages(charge), () => {
        throw new Error("broken");
      });
      const quiet = vi.spyOn(console, "error").mockReturnValue();
      expect((await post()).status).toBe(500);
      quiet.mockRestore();
      expect([billed(), ledger.reserved()]).toEqual([charge === "call" ? [5] : [], 0]);
    });

    it("settles a stream when it ends, and passes each part on as it comes", async () => {
      const middle = gate();
      const post = await start(pages(charge), () => ({
        body: (async function* () {
          yield "one ";
          await middle.opened;
          yield "two";
        })(),
      }));
      const response = await post();
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("one ");
      expect(billed()).toEqual(charge === "call" ? [5] : []);
      middle.open();
      expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("two");
      expect((await reader.read()).done).toBe(true);
      expect([billed(), ledger.reserved()]).toEqual([[5], 0]);
    });

    it("bills a stream whose client goes in its middle", async () => {
      const post = await start(pages(charge), () => ({
        body: (async function* () {
          for (;;) {
            yield "more ";
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        })(),
      }));
      const client = new AbortController();
      const response = await post({}, { signal: client.signal });
      await (response.body as ReadableStream).getReader().read();
      client.abort();
      await vi.waitFor(() => expect([billed(), ledger.reserved()]).toEqual([[5], 0]), 5_000);
    });

    it("gives a repetition under its key the first answer, and another body none", async () => {
      let runs = 0;
      const post = await start(pages(charge), (_call, body) => {
        runs++;
        return {
          status: 201,
          headers: { "x-run": `${runs}` },
          body: `run ${runs} of ${JSON.stringify(body)}`,
        };
      });
      const call = (city: string) => {
        const { headers, body } = json({ city });
        return post({ ...headers, "idempotency-key": "k" }, { body });
      };
      const answers = [await call("Rome"), await call("Rome")];
      expect(
        await Promise.all(
          answers.map(async (each) => [each.status, each.headers.get("x-run"), await each.text()]),
        ),
      ).toEqual(answers.map(() => [201, "1", 'run 1 of {"city":"Rome"}']));
      const other = await call("Oslo");
      expect([other.status, await other.json()]).toEqual([
        409,
        expect.objectContaining({ error: "idempotency_conflict" }),
      ]);
      expect([runs, billed()]).toEqual([1, [5]]);
    });
  });

  it("does not deliver what could not be billed", async () => {
    for (const charge of ["success", "reserve"] as const) {
      const answer: { body: TestAnswer["body"] } = { body: "secret" };
      const post = await start(pages(charge), () => {
        ledger.refuseWith("billing_unavailable");
        return { headers: { etag: '"x"', "x-own": "1" }, ...answer };
      });
      const response = await post();
      expect([response.status, response.headers.get("etag")]).toEqual([503, null]);
      expect(await response.text()).not.toContain("secret");
      ledger.refuseWith(undefined);
      answer.body = (async function* () {
        yield "part";
        await new Promise((resolve) => setTimeout(resolve, 20));
        yield "rest";
      })();
      const streamed = await post()
        .then((sent) => sent.text())
        .catch((error: unknown) => error);
      // What is streamed has begun by then: it must not look complete.
      expect(streamed).toBeInstanceOf(Error);
      ledger.refuseWith(undefined);
    }
    expect(billed()).toEqual([]);
  });

  it("bills what the handler reports", async () => {
    const post = await start(pages("reserve"), (call) => {
      call.reportUsage(2);
      return { body: "" };
    });
    expect((await post()).status).toBe(200);
    expect([billed(), ledger.reserved()]).toEqual([[2], 0]);
  });

  it.each([
    ["gives back what is held for a client that goes before it is answered", "reserve", []],
    ["bills a handler by success that goes on after its client has gone", "success", [5]],
  ] as const)("%s", async (_, charge, due) => {
    const begun = gate();
    const ended = gate();
    const post = await start(pages(charge), async (_call, _body, gone) => {
      begun.open();
      await gone;
      ended.open();
      return { body: "late" };
    });
    const client = new AbortController();
    const response = post({}, { signal: client.signal });
    await begun.opened;
    expect(ledger.reserved()).toBe(charge === "reserve" ? 5 : 0);
    client.abort();
    await expect(response).rejects.toThrow();
    await ended.opened;
    await vi.waitFor(() => expect([billed(), ledger.reserved()]).toEqual([due, 0]), 5_000);
  });

  it("refuses a body that is too large to be compared, or that nothing has read", async () => {
    const post = await start(pages("call"), () => expect.unreachable());
    const isParsed = name.startsWith("Fastify");
    const headers = { "idempotency-key": "k", "content-type": isParsed ? "application/json" : "text/x-own" };
    const response = await post(headers, { body: JSON.stringify("x".repeat(2_000_000)) });
    expect(response.status).toBe(isParsed ? 413 : 409);
    expect(billed()).toEqual([]);
  });

  it("says at the start what is wrong with its options", async () => {
    await expect(serve(paywall, { ...pages("call"), quantity: 1.5 }, () => ({ body: "" }))).rejects.toThrow(
      "quantity is a whole number",
    );
  });
});

it("knows the call of a charged request alone", () => {
  expect(() => paywall.callOf({})).toThrow("this request is not charged for");
});

import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { type ChargeOptions, createPaywall, type Paywall } from "../src/index.ts";
import { connectV1, connectV2, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// A handler that delivers as it goes says what it used: that is billed, whatever becomes of the call.

let api: StandIn;
let token: string;
let paywall: Paywall;
beforeEach(async () => {
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
  paywall = createPaywall({ baseUrl: api.url, token: () => token });
});
afterEach(async () => {
  await paywall.close();
  await api.close();
});

type Sdk = "v1" | "v2";
type Run = (context: unknown) => unknown;
const SDKS = ["v1", "v2"] as const;
const info = { name: "server", version: "1" };
const pages = (charge: NonNullable<ChargeOptions["charge"]>) =>
  ({ meterName: "pages", quantity: 20, charge }) as const;

const build = (sdk: Sdk) => (sdk === "v1" ? new McpServerV1(info) : new McpServerV2(info));
type AnyServer = ReturnType<typeof build>;
const connect = (server: AnyServer) =>
  server instanceof McpServerV1 ? connectV1(server) : connectV2(server);

/** Registers a tool, and answers what a handler of another one calls it by. */
function addTool(server: AnyServer, name: string, run: Run): Run {
  const handler = async (context: unknown) => {
    await run(context);
    return text(name);
  };
  const tool =
    server instanceof McpServerV1
      ? server.registerTool(name, {}, handler)
      : server.registerTool(name, {}, handler);
  return (context) => {
    const { handler: guarded } = tool;
    if (typeof guarded !== "function") throw new Error("a plain tool has a plain handler");
    return Reflect.apply(guarded, undefined, [context]);
  };
}

/** Calls a tool. */
async function callTool(server: AnyServer, name: string, signal?: AbortSignal) {
  const options = signal === undefined ? {} : { signal };
  if (server instanceof McpServerV1) return (await connectV1(server)).callTool({ name }, undefined, options);
  return (await connectV2(server)).callTool({ name }, options);
}

/** A context's own signal. */
function signalOf(context: unknown): AbortSignal {
  const own = z.looseObject({ signal: z.instanceof(AbortSignal).optional() });
  const { signal, mcpReq } = own.extend({ mcpReq: own.optional() }).parse(context);
  return signal ?? mcpReq?.signal ?? expect.unreachable();
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const billed = () => api.ledger.usage.map(({ quantity }) => quantity);

describe.each(SDKS.flatMap((sdk) => (["success", "reserve"] as const).map((charge) => ({ sdk, charge }))))(
  "what a handler on SDK $sdk reports, charged by $charge",
  ({ sdk, charge }) => {
    const serve = (run: Run) => {
      const server = build(sdk);
      addTool(server, "translate", run);
      return paywall.protect(server, { tools: { translate: pages(charge) } });
    };

    it("is what is billed", async () => {
      const server = serve((context) => {
        paywall.reportUsage(2, context);
        paywall.reportUsage(1);
      });
      expect(await callTool(server, "translate")).toMatchObject(text("translate"));
      expect([billed(), api.ledger.reserved()]).toEqual([[3], 0]);
    });

    it("is billed where the handler fails", async () => {
      const server = serve((context) => {
        paywall.reportUsage(4, context);
        throw new Error("out of paper");
      });
      expect(await callTool(server, "translate")).toMatchObject({ isError: true });
      expect([billed(), api.ledger.reserved()]).toEqual([[4], 0]);
    });

    it("is billed where the agent cancels when it has what it wanted", async () => {
      const aborting = new AbortController();
      const server = serve(async (context) => {
        for (let chapter = 0; chapter < 10; chapter++) paywall.reportUsage(1, context);
        aborting.abort();
        // The handler's own signal tells that the cancellation has arrived.
        const signal = signalOf(context);
        while (!signal.aborted) await turn();
      });
      await expect(callTool(server, "translate", aborting.signal)).rejects.toThrow();
      await expect.poll(billed).toEqual([10]);
      expect(api.ledger.reserved()).toBe(0);
    });

    it.each(["protect", "wrapped"])("is billed for a prompt and for a resource: %s", async (way) => {
      const server = build(sdk);
      const prompt = async (context: unknown) => {
        paywall.reportUsage(2, context);
        return { messages: [] };
      };
      const resource = async (uri: URL, context: unknown) => {
        paywall.reportUsage(3, context);
        return { contents: [{ uri: uri.href, text: "read" }] };
      };
      const isWrapped = way === "wrapped";
      const paidPrompt = isWrapped ? paywall.prompt(pages(charge), prompt) : prompt;
      const paidResource = isWrapped ? paywall.resource(pages(charge), resource) : resource;
      if (server instanceof McpServerV1) {
        server.registerPrompt("p", {}, paidPrompt);
        server.registerResource("r", "doc://r", {}, paidResource);
      } else {
        server.registerPrompt("p", {}, paidPrompt);
        server.registerResource("r", "doc://r", {}, paidResource);
      }
      if (!isWrapped)
        paywall.protect(server, {
          prompts: { p: pages(charge) },
          resources: { "doc://r": pages(charge) },
        });
      const client = await connect(server);
      await client.getPrompt({ name: "p" });
      await client.readResource({ uri: "doc://r" });
      expect([billed(), api.ledger.reserved()]).toEqual([[2, 3], 0]);
    });

    it("is billed for a single tool, and each of its calls for its own", async () => {
      const server = build(sdk);
      let calls = 0;
      const tool = paywall.tool(pages(charge), async (context: object) => {
        const own = ++calls;
        await turn();
        paywall.reportUsage(own, context);
        return text("ran");
      });
      if (server instanceof McpServerV1) server.registerTool("t", {}, tool);
      else server.registerTool("t", {}, tool);
      const client = await connect(server);
      await Promise.all([1, 2, 3].map(() => client.callTool({ name: "t" })));
      expect([billed().sort(), api.ledger.reserved()]).toEqual([[1, 2, 3], 0]);
    });
  },
);

describe.each(SDKS)("of calls inside of one another on SDK %s", (sdk) => {
  /** A server with a tool that runs `run`, which gets two others: one reports 1, one 2, each in three steps. */
  const serve = (outer: ChargeOptions | false, run: (inner: readonly Run[], context: unknown) => unknown) => {
    const server = build(sdk);
    const inner = [1, 2].map((units) =>
      addTool(server, `inner${units}`, async (context) => {
        for (let step = 0; step < 3; step++) {
          await turn();
          paywall.reportUsage(units, step === 1 ? undefined : context);
        }
      }),
    );
    addTool(server, "outer", (context) => run(inner, context));
    const tools = {
      outer,
      inner1: { ...pages("reserve"), meterName: "first" },
      inner2: { ...pages("reserve"), meterName: "second" },
    };
    return paywall.protect(server, { tools });
  };
  const both = (inner: readonly Run[], context: unknown) => Promise.all(inner.map((run) => run(context)));
  const bill = () =>
    Object.fromEntries(api.ledger.usage.map(({ meterName, quantity }) => [meterName, quantity]));

  it("each of several at once is told its own", async () => {
    expect(await callTool(serve(false, both), "outer")).toEqual(expect.objectContaining(text("outer")));
    expect([bill(), api.ledger.reserved()]).toEqual([{ first: 3, second: 6 }, 0]);
    expect(api.ledger.usage).toHaveLength(2);
  });

  it("one that costs what it reports pays for what those report that are in its price", async () => {
    const server = serve(pages("reserve"), async (inner, context) => {
      paywall.reportUsage(1, context);
      await both(inner, context);
      paywall.reportUsage(1, context);
    });
    await callTool(server, "outer");
    expect([bill(), api.ledger.reserved()]).toEqual([{ pages: 11 }, 0]);
  });

  it.each(["reserve", "success"] as const)(
    "the outer one is told its own before, between and after others: %s",
    async (charge) => {
      // What is priced by its result pays for none of those that it calls.
      const outer = { ...pages(charge), resultQuantity: () => 0 };
      const server = serve(outer, async ([first, second], context) => {
        paywall.reportUsage(1, context);
        await first?.(context);
        paywall.reportUsage(1, context);
        const running = second?.(context);
        await turn();
        paywall.reportUsage(1, context);
        await running;
        paywall.reportUsage(1);
      });
      await callTool(server, "outer");
      expect([bill(), api.ledger.reserved()]).toEqual([{ pages: 4, first: 3, second: 6 }, 0]);
    },
  );

  it("none pays for what another server serves for free", async () => {
    const other = build(sdk);
    const thrown: unknown[] = [];
    addTool(other, "free", (context) => {
      for (const named of [context, undefined]) {
        try {
          paywall.reportUsage(5, named);
        } catch (error) {
          thrown.push(error);
        }
      }
    });
    paywall.protect(other, { tools: { free: false } });
    const client = await connect(other);
    const server = serve(pages("reserve"), async (_, context) => {
      await client.callTool({ name: "free" });
      paywall.reportUsage(1, context);
    });
    await callTool(server, "outer");
    expect(bill()).toEqual({ pages: 1 });
    expect(thrown).toEqual([expect.any(TypeError), expect.any(TypeError)]);
  });
});

describe("work that is done in another call's time", () => {
  const context = () => ({ signal: new AbortController().signal });

  it("is the call's whose context it names", async () => {
    const work: (() => void)[] = [];
    let flushed: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      flushed = resolve;
    });
    const agents = new Map<string, string>();
    const handler = paywall.tool(pages("reserve"), async ({ units }: { units: number }, own: object) => {
      work.push(() => {
        paywall.reportUsage(units, own);
        agents.set(paywall.caller(own).agentId, paywall.caller().agentId);
      });
      if (work.length === 2) {
        for (const item of work) item();
        flushed();
      }
      await done;
      return text("ran");
    });
    const first = handler({ units: 1 }, context());
    await expect.poll(() => work.length).toBe(1);
    token = api.ledger.authorize("agt_2");
    await Promise.all([first, handler({ units: 2 }, context())]);
    const used = api.ledger.usage.map(({ agentId, quantity }) => [agentId, quantity]);
    expect(Object.fromEntries(used)).toEqual({ agt_1: 1, agt_2: 2 });
    expect(Object.fromEntries(agents)).toEqual({ agt_1: "agt_2", agt_2: "agt_2" });
  });

  it.each(SDKS)("is in the price of the call that its context is in: SDK %s", async (sdk) => {
    const server = build(sdk);
    const work: (() => unknown)[] = [];
    const inner = addTool(server, "inner", async () => {
      await turn();
      paywall.reportUsage(5);
    });
    let calls = 0;
    let end: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      end = resolve;
    });
    addTool(server, "outer", async (own) => {
      const isFirst = ++calls === 1;
      paywall.reportUsage(isFirst ? 1 : 2, own);
      if (isFirst) {
        work.push(() => inner(own));
      } else {
        for (const item of work) await item();
        end();
      }
      await done;
    });
    paywall.protect(server, { tools: { outer: pages("reserve"), inner: pages("reserve") } });
    const client = await connect(server);
    const first = client.callTool({ name: "outer" });
    await expect.poll(() => work.length).toBe(1);
    await Promise.all([first, client.callTool({ name: "outer" })]);
    expect([billed().sort(), api.ledger.reserved()]).toEqual([[2, 6], 0]);
  });

  it.each(SDKS)("is nobody's where the context that it names is in no call: SDK %s", async (sdk) => {
    const server = build(sdk);
    const work: (() => void)[] = [];
    let end: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      end = resolve;
    });
    addTool(server, "free", async (own) => {
      work.push(() => paywall.reportUsage(5, own));
      await done;
    });
    addTool(server, "paid", async () => {
      for (const item of work) expect(item).toThrow("no call runs here");
      paywall.reportUsage(1);
      end();
    });
    paywall.protect(server, { tools: { free: false, paid: pages("reserve") } });
    const client = await connect(server);
    const free = client.callTool({ name: "free" });
    await expect.poll(() => work.length).toBe(1);
    expect(await client.callTool({ name: "paid" })).toMatchObject(text("paid"));
    await free;
    expect([billed(), api.ledger.reserved()]).toEqual([[1], 0]);
  });

  it("outside of any asynchronous context is the call's whose context it names, where there is but one", async () => {
    const outside: (() => void)[] = [];
    const worker = setInterval(() => outside.shift()?.(), 1);
    const report = (units: number, own: object) =>
      new Promise<void>((resolve, reject) => {
        outside.push(() => {
          try {
            resolve(paywall.reportUsage(units, own));
          } catch (error) {
            reject(error);
          }
        });
      });
    const inner = paywall.tool({ ...pages("reserve"), meterName: "inner" }, async (own: object) => {
      await expect(report(7, own)).rejects.toThrow("several calls");
      return text("ran");
    });
    const outer = paywall.tool(pages("reserve"), async (own: object) => {
      await report(1, own);
      await inner(own);
      await report(1, own);
      return text("ran");
    });
    expect(await outer(context())).toEqual(text("ran"));
    clearInterval(worker);
    expect(api.ledger.usage.map(({ meterName, quantity }) => [meterName, quantity])).toEqual([
      ["inner", 20],
      ["pages", 2],
    ]);
  });
});

describe("a report is refused by a TypeError that says what to do", () => {
  const refused = async (options: ChargeOptions, words: string) => {
    const handler = paywall.tool(options, async (context: object) => {
      paywall.reportUsage(1, context);
      return text("ran");
    });
    const call = handler({ signal: new AbortController().signal });
    await expect(call).rejects.toThrow(TypeError);
    await expect(call).rejects.toThrow(words);
  };

  it.each<[string, ChargeOptions]>([
    ["is billed when it is made", pages("call")],
    ["costs nothing", {}],
  ])("in a call that %s", (_, options) => refused(options, 'charge: "success" or "reserve"'));

  it("outside of a call", () => {
    for (const context of [undefined, {}, { signal: new AbortController().signal }]) {
      expect(() => paywall.reportUsage(1, context)).toThrow(TypeError);
      expect(() => paywall.reportUsage(1, context)).toThrow("in a handler that it charges for");
    }
  });

  it.each(SDKS)("in a handler that is not charged for, SDK %s", async (sdk) => {
    const server = build(sdk);
    addTool(server, "free", (context) => paywall.reportUsage(1, context));
    paywall.protect(server, { tools: { free: false } });
    expect(await callTool(server, "free")).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining("in a handler that it charges for") }],
    });
  });

  it("once the call was settled, in its own time and outside of it", async () => {
    const context = { signal: new AbortController().signal };
    let late: Promise<void> = Promise.resolve();
    let settle: () => void = () => undefined;
    const settled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const handler = paywall.tool(pages("success"), async (own: object) => {
      late = settled.then(() => paywall.reportUsage(1, own));
      return text("ran");
    });
    await handler(context);
    settle();
    await expect(late).rejects.toThrow(TypeError);
    await expect(late).rejects.toThrow("has ended");
    expect(() => paywall.reportUsage(1, context)).toThrow("has ended");
    expect(billed()).toEqual([20]);
  });

  it("where the quantity is no whole number", async () => {
    const handler = paywall.tool(pages("success"), async (context: object) => {
      for (const quantity of [-1, 0.5, Number.NaN]) {
        expect(() => paywall.reportUsage(quantity, context)).toThrow("whole number");
      }
      return text("ran");
    });
    await handler({ signal: new AbortController().signal });
    expect(billed()).toEqual([20]);
  });
});

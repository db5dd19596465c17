import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPaywall, type ProtectOptions } from "../src/index.ts";
import { createTestPaywall } from "../src/testing.ts";
import { type Api, startApi } from "./api.ts";
import { connectV1, connectV2, text } from "./connect.ts";

const info = { name: "server", version: "1" };
const CHARGES: ProtectOptions = {
  tools: {
    read: { meterName: "pages", quantity: 2 },
    named: { meterName: "pages", price: "half a dollar" },
    unpriced: { meterName: "notes" },
    computed: { meterName: () => "pages" },
    free: false,
  },
};

type Protecting = Pick<ReturnType<typeof createPaywall>, "protect">;

/** What `tools/list` says of prices, by tool. */
async function pricesIn(paywall: Protecting, sdk: "v1" | "v2") {
  const server = sdk === "v1" ? new McpServerV1(info) : new McpServerV2(info);
  paywall.protect(server, CHARGES);
  for (const name of Object.keys(CHARGES.tools ?? {})) {
    if (server instanceof McpServerV1) server.registerTool(name, {}, () => text("ran"));
    else server.registerTool(name, {}, () => text("ran"));
  }
  const client = server instanceof McpServerV1 ? await connectV1(server) : await connectV2(server);
  const { tools } = await client.listTools();
  const entries = tools.map(({ name, _meta }) => {
    const charge = _meta?.["com.licentric/charge"] as { readonly price?: string } | undefined;
    return [name, charge?.price];
  });
  return Object.fromEntries(entries);
}

const PRICED = { read: "0.25 USD per unit", named: "half a dollar" };
const UNPRICED = { ...PRICED, read: undefined };
const others = { unpriced: undefined, computed: undefined, free: undefined };

describe.each(["v1", "v2"] as const)("tools/list of %s", (sdk) => {
  const options = { showPrices: true, prices: { pages: { model: "per_unit", unitPrice: "0.25" } } } as const;

  it("tells what a unit costs, unless the owner says it otherwise", async () => {
    expect(await pricesIn(createTestPaywall(options), sdk)).toEqual({ ...PRICED, ...others });
  });

  it("tells strangers no prices, nor anybody where nobody asked for them", async () => {
    const paywall = createTestPaywall(options);
    paywall.actAs(null);
    expect(await pricesIn(paywall, sdk)).toEqual({ ...UNPRICED, ...others });
    paywall.actAs("AGT-unknown");
    expect(await pricesIn(paywall, sdk)).toEqual({ ...UNPRICED, ...others });
    expect(await pricesIn(createTestPaywall({ prices: options.prices }), sdk)).toEqual({
      ...UNPRICED,
      ...others,
    });
  });

  it("is as it was where the price list cannot be had, and tells prices when it can", async () => {
    const paywall = createTestPaywall(options);
    paywall.refuseWith("billing_unavailable");
    expect(await pricesIn(paywall, sdk)).toEqual({ ...UNPRICED, ...others });
    paywall.refuseWith(undefined);
    expect(await pricesIn(paywall, sdk)).toEqual({ ...PRICED, ...others });
  });
});

describe("with the API's own price list", () => {
  let api: Api;
  beforeAll(async () => {
    api = await startApi();
    await api.client.meters.create({
      name: "pages",
      unit: "page",
      price: { model: "per_unit", unitPrice: "0.5" },
    });
    const further = Array.from({ length: 101 }, (_, index) => `meter_${index}`);
    await Promise.all(further.map((name) => api.client.meters.create({ name })));
  }, 60_000);
  afterAll(() => api.close());

  it("asks once for a list that is longer than a page", async () => {
    const { token } = await api.authorize();
    const paywall = createPaywall({ baseUrl: api.url, showPrices: true, token: () => token });
    const expected = { ...PRICED, read: "0.5 USD per page", ...others };
    expect(await pricesIn(paywall, "v1")).toEqual(expected);
    const meters = await api.client.meters.list({ name: "pages" });
    await api.client.meters.setPrice(meters.data[0]?.id ?? "", {
      price: { model: "per_unit", unitPrice: "9" },
    });
    expect(await pricesIn(paywall, "v2")).toEqual(expected);
    expect((await api.client.usage.totals()).length).toBe(0);
    await paywall.close();
  });
});

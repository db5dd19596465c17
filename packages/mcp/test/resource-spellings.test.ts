import { posix } from "node:path";
import { Server as LowServerV1 } from "@modelcontextprotocol/sdk/server/index.js";
import {
  McpServer as McpServerV1,
  ResourceTemplate as TemplateV1,
} from "@modelcontextprotocol/sdk/server/mcp.js";
import { ReadResourceRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import {
  Server as LowServerV2,
  McpServer as McpServerV2,
  ResourceTemplate as TemplateV2,
} from "@modelcontextprotocol/server";
import { beforeEach, describe, expect, it } from "vitest";
import type { ChargeOptions, ProtectOptions } from "../src/index.ts";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";
import { connectV1, connectV2 } from "./connect.ts";

// A resource has as many spellings as its URI, and an owner's handler may take all of them for the same.

const { join } = posix;
const info = { name: "server", version: "1" };
const content = (uri: string) => ({ contents: [{ uri, text: "content" }] });

let paywall: TestPaywall;
beforeEach(() => {
  paywall = createTestPaywall();
});

/** A low-level server whose handler serves whatever it is asked for. */
function serveAll(sdk: string, charges: ProtectOptions) {
  const v1 = new LowServerV1(info, { capabilities: { resources: {} } });
  v1.setRequestHandler(ReadResourceRequestSchema, ({ params }) => content(params.uri));
  const v2 = new LowServerV2(info, { capabilities: { resources: {} } });
  v2.setRequestHandler("resources/read", ({ params }) => content(params.uri));
  return sdk === "v1" ? connectV1(paywall.protect(v1, charges)) : connectV2(paywall.protect(v2, charges));
}

const reads = (quantity = 1) => ({ meterName: "reads", quantity });
const meters = () => paywall.billed.map(({ quantity }) => quantity);

describe.each(["v1", "v2"])("an own handler on SDK %s", (sdk) => {
  it.each([
    ["memo://a/b", "memo://a/%62"],
    ["memo://a/b", "MEMO://A/b"],
    ["memo://a/b", "memo://%61/b"],
    ["memo://a/b", "memo://a/b?x"],
    ["memo://a/b", "memo://a/b?"],
    ["memo://a/b", "memo://a/b#x"],
    ["memo://a/b", "memo://a/b?x=1&y#z"],
    ["memo://a/b", "memo://a/b/."],
    ["memo://a/b", "memo://a/b/"],
    ["memo://a/b", "memo://a/c/../b"],
    ["memo://a/b", "memo://a/c/%2e%2E/b"],
    ["memo://a/b", "memo://a/c%2F..%2fb"],
    ["memo://a/b", "memo://a//b"],
    ["memo://a/b", "memo://user:word@a/b"],
    ["memo://a/b", "memo://a:/b"],
    ["memo://a/b", " memo://a/b\n"],
    ["memo:b", "MEMO:%62?x"],
    ["memo://a/%C3%A9 x", "memo://a/é%20x"],
    ["memo://a/100%", "memo://a/%31%30%30%"],
    ["https://docs.example/a", "https://docs.example:443/a"],
    ["https://docs.example/a", "https://docs.example./a#x"],
    ["https://docs.example/a", "https:\\\\docs.example\\%61"],
    ["https://docs.example:8080", "HTTPS://DOCS.example:8080/?x"],
    ["memo://a/b?x=1", "memo://a/b?%78=1"],
    ["memo://a/b?x=1&y=2", "memo://a/b?y=2&x=1"],
    ["memo://a/b?x=1", "memo://a/%62?z&x=1"],
    ["docs://report", "docs:///report"],
    ["docs://report", "docs:////report"],
    ["docs://report", "docs:report"],
    ["docs://report", "docs:/report"],
    ["docs://report", "docs://./report"],
    ["docs://report", "docs://%2e/report"],
    ["docs://report", "docs://x/../report"],
    ["docs://report", "docs://../report"],
    ["docs://report", "docs://x^/../report"],
    ["docs://report", "docs://x/..%5creport"],
    ["docs://report", "docs://%2572eport"],
    ["docs://REPORT", "docs:///REPORT"],
    ["docs://a/b", "docs://a%2Fb"],
    ["docs://a/b", "docs://a%5Cb"],
    ["docs://a/b", "docs:///a/b"],
    ["docs://a/b", "docs://a/..%2Fb"],
    ["docs://a%2Fb", "docs:///a/b"],
    ["docs:///report", "docs://report"],
    ["docs:///report", "docs://./report?x"],
    ["docs:///a/b", "docs://a/b"],
    ["docs:a/b", "docs://a/b"],
    ["file:///report", "file://report"],
    ["memo", "memo"],
    ["memo://a b/c", "memo://a b/c"],
  ])("is charged for %s when it is asked for %s", async (named, asked) => {
    const client = await serveAll(sdk, { resources: { [named]: reads() } });
    await client.readResource({ uri: asked });
    paywall.expectBilled(reads());
  });

  it.each([
    ["memo://a/b", "memo://a/c"],
    ["memo://a/b", "memo://a/B"],
    ["memo://a/b", "memo://c/b"],
    ["memo://a/b", "note://a/b"],
    ["memo://a/b", "memo://a/b/c"],
    ["memo://a/b", "memo://a/b%3F"],
    ["memo://a/b", "memo://a:1/b"],
    ["memo://a/b", "b"],
    ["memo://a/b", "memo://a b/b"],
    ["docs://report", "docs:///x/report"],
    ["docs://report", "docs://report/x"],
    ["docs:///report", "docs:///REPORT"],
    ["docs://report", "note:///report"],
    ["memo://a/b?x=1", "memo://a/b"],
    ["memo://a/b?x=1", "memo://a/b?x=2"],
  ])("is not charged for %s but by default when it is asked for %s", async (named, asked) => {
    const client = await serveAll(sdk, { resources: { [named]: reads() }, default: reads(9) });
    await client.readResource({ uri: asked });
    paywall.expectBilled(reads(9));
  });

  it("goes by the longer URI where that is named, whichever comes first", async () => {
    const resources = {
      "memo://a/b?full": reads(10),
      "memo://a/b": reads(1),
      "memo://a/b?full&raw": reads(20),
      "memo://a/b?head": false,
      "memo://a/b#intro": reads(3),
    } as const;
    const client = await serveAll(sdk, { resources, default: reads(9) });
    for (const [uri, quantity] of [
      ["memo://a/b", 1],
      ["memo://a/%62?full", 10],
      ["memo://a/b?full&x", 10],
      ["memo://a/b?x&raw&full", 20],
      ["memo://a/b#intro", 3],
      ["memo://a/b#other", 1],
      ["memo://a/b?other", 1],
    ] as const) {
      await client.readResource({ uri });
      expect([uri, meters().at(-1)]).toEqual([uri, quantity]);
    }
    const before = meters().length;
    paywall.actAs(null);
    await client.readResource({ uri: "memo://a/b?head" });
    expect(meters()).toHaveLength(before);
  });

  it("makes nothing free that is not named to the letter", async () => {
    const client = await serveAll(sdk, {
      resources: { "memo://a/b": reads(2), "memo://a/b?head": false, "memo://a/free": false },
      default: reads(9),
    });
    for (const [uri, quantity] of [
      ["memo://a/b?head&x", 2],
      ["memo://a/free?x", 9],
      ["memo://a/x%2F..%2Ffree", 9],
    ] as const) {
      await client.readResource({ uri });
      expect([uri, meters().at(-1)]).toEqual([uri, quantity]);
    }
    paywall.actAs(null);
    for (const uri of ["memo://a/free", "MEMO://A/fre%65", "memo://a/x/../free"])
      expect(await client.readResource({ uri })).toMatchObject(content(uri));
    expect(meters()).toHaveLength(3);
  });

  it.each<ChargeOptions | false>([false, {}])(
    "makes nothing free by what else a price is near: %j",
    async (free) => {
      const client = await serveAll(sdk, {
        resources: { "docs://x/report": free, "docs://report": reads(2) },
      });
      await client.readResource({ uri: "docs://x/../report" });
      await client.readResource({ uri: "docs://x/report" });
      expect(meters()).toEqual([2]);
    },
  );

  it("goes by a spelling that is named to the letter before it goes by another one", async () => {
    const client = await serveAll(sdk, {
      resources: { "memo://a/b%2Fc": reads(1), "memo://a/b/c": reads(2) },
    });
    for (const uri of ["memo://a/b%2Fc", "memo://a/b%2fc", "memo://a/b/c", "memo://a/%62/c"])
      await client.readResource({ uri });
    expect(meters()).toEqual([1, 1, 2, 2]);
  });
});

describe.each(["v1", "v2"])("what is registered on SDK %s", (sdk) => {
  async function serve(charges: ProtectOptions) {
    const read = async (uri: URL) => content(uri.href);
    const v1 = new McpServerV1(info);
    v1.registerResource("b", "memo://a/b", {}, read);
    v1.registerResource("bx", "memo://a/b?x", {}, read);
    v1.registerResource("pages", new TemplateV1("memo://a/{id}", { list: undefined }), {}, read);
    const v2 = new McpServerV2(info);
    v2.registerResource("b", "memo://a/b", {}, read);
    v2.registerResource("bx", "memo://a/b?x", {}, read);
    v2.registerResource("pages", new TemplateV2("memo://a/{id}", { list: undefined }), {}, read);
    return sdk === "v1" ? connectV1(paywall.protect(v1, charges)) : connectV2(paywall.protect(v2, charges));
  }

  it("has its own price, and a template's handler that of each URI that is named", async () => {
    const client = await serve({ resources: { "memo://a/b": reads(5), "memo://a/c": reads(7) } });
    for (const uri of ["memo://a/b", "memo://a/%62", "memo://a/c", "memo://a/%63"])
      await client.readResource({ uri });
    expect(meters()).toEqual([5, 5, 7, 7]);
    // Registered by itself, and not named: verified alone.
    await client.readResource({ uri: "memo://a/b?x" });
    await client.readResource({ uri: "memo://a/d" });
    expect(meters()).toHaveLength(4);
  });

  it("goes by a template's name for whatever is not named", async () => {
    const client = await serve({ resources: { "memo://a/b": reads(5), pages: reads(2) } });
    for (const uri of ["memo://a/b", "memo://a/%62", "memo://a/d"]) await client.readResource({ uri });
    expect(meters()).toEqual([5, 5, 2]);
  });
});

describe.each(["v1", "v2"])("a template that joins the rest to a directory on SDK %s", (sdk) => {
  const files = new Set(["/docs/report", "/docs/a/b"]);
  const file = (...path: readonly string[]) => {
    const name = join("/docs", ...path.map(decodeURIComponent));
    return { contents: files.has(name) ? [{ uri: "docs://file", text: name }] : [] };
  };

  /** Serves files by all of a URI behind its scheme, and by what comes behind a directory that it names. */
  async function serve(charges: ProtectOptions) {
    const serveFile = async (_: URL, { path = "" }: Record<string, string | string[]>) => file(String(path));
    // The usual way to let no path out of its directory.
    const serveBelow = async (_: URL, { path = "" }: Record<string, string | string[]>) =>
      file("a", join("/", decodeURIComponent(String(path))));
    const byUrl = async ({ host, pathname }: URL) => file(host, pathname);
    const v1 = new McpServerV1(info);
    v1.registerResource("below", new TemplateV1("docs://a/{+path}", { list: undefined }), {}, serveBelow);
    v1.registerResource("files", new TemplateV1("docs://{+path}", { list: undefined }), {}, serveFile);
    v1.registerResource("urls", new TemplateV1("docs:{+path}", { list: undefined }), {}, byUrl);
    const v2 = new McpServerV2(info);
    v2.registerResource("below", new TemplateV2("docs://a/{+path}", { list: undefined }), {}, serveBelow);
    v2.registerResource("files", new TemplateV2("docs://{+path}", { list: undefined }), {}, serveFile);
    v2.registerResource("urls", new TemplateV2("docs:{+path}", { list: undefined }), {}, byUrl);
    return sdk === "v1" ? connectV1(paywall.protect(v1, charges)) : connectV2(paywall.protect(v2, charges));
  }

  it.each([
    ["docs://report", "docs:///report"],
    ["docs://report", "docs:////report"],
    ["docs://report", "docs://./report"],
    ["docs://report", "docs://%2e/report"],
    ["docs://report", "docs://x%2F../report"],
    ["docs://report", "docs:report"],
    ["docs://a/b", "docs://a%2Fb"],
    ["docs://a/b", "docs:///a/b"],
    ["docs://a/b", "docs://a/..%2Fb"],
    ["docs://a/b", "docs://a/..%2F..%2Fx%2F..%2F.%2Fb"],
    ["docs:///report", "docs://report"],
    ["docs:///report", "docs://x%2F../report"],
  ])("has the price of %s when it is asked for %s", async (named, asked) => {
    const client = await serve({ resources: { [named]: reads(5) }, default: false });
    expect((await client.readResource({ uri: asked })).contents).toHaveLength(1);
    expect(meters()).toEqual([5]);
  });

  it.each<ChargeOptions | false>([false, {}])(
    "is no way around a price by its own name: %j",
    async (free) => {
      const client = await serve({ resources: { "docs://report": reads(5), files: free } });
      for (const uri of ["docs:///report", "docs://report?x", "docs://./report#x"])
        await client.readResource({ uri });
      expect(meters()).toEqual([5, 5, 5]);
      await client.readResource({ uri: "docs://other" });
      expect(meters()).toHaveLength(3);
    },
  );

  it("keeps what is another thing free", async () => {
    const client = await serve({ resources: { "docs://report": reads(5) }, default: false });
    await client.readResource({ uri: "docs://report/a" });
    await client.readResource({ uri: "docs://repor" });
    expect(meters()).toEqual([]);
    // Nothing tells whether an own handler reads it as it is spelled.
    await client.readResource({ uri: "docs://x/../report" });
    expect(meters()).toEqual([5]);
  });
});

describe.each(["v1", "v2"])("what names its query on SDK %s", (sdk) => {
  it("may be free beside a price without one", async () => {
    const read = async (uri: URL) => content(uri.href);
    const v1 = new McpServerV1(info);
    v1.registerResource("look", new TemplateV1("docs://report{?look}", { list: undefined }), {}, read);
    const v2 = new McpServerV2(info);
    v2.registerResource("look", new TemplateV2("docs://report{?look}", { list: undefined }), {}, read);
    const charges = { resources: { look: false, "docs://report": reads(5) } } as const;
    const client = await (sdk === "v1"
      ? connectV1(paywall.protect(v1, charges))
      : connectV2(paywall.protect(v2, charges)));
    await client.readResource({ uri: "docs://report?look=1" });
    expect(meters()).toEqual([]);
  });

  it("has a price that is named by another spelling than it is registered with", async () => {
    const read = async (uri: URL) => content(uri.href);
    const v1 = new McpServerV1(info);
    v1.registerResource("report", "docs:///report", {}, read);
    const v2 = new McpServerV2(info);
    v2.registerResource("report", "docs:///report", {}, read);
    const charges = { resources: { "docs://report": reads(5) } };
    const client = await (sdk === "v1"
      ? connectV1(paywall.protect(v1, charges))
      : connectV2(paywall.protect(v2, charges)));
    await client.readResource({ uri: "docs:///report" });
    expect(meters()).toEqual([5]);
  });
});

describe.each(["v1", "v2"])("an own handler in the place of an McpServer's on SDK %s", (sdk) => {
  it.each(["before", "after"])("has the price of what it may read, installed %s", async (when) => {
    const read = async (uri: URL) => content(uri.href);
    const v1 = new McpServerV1(info);
    v1.registerResource("files", new TemplateV1("docs://{+path}", { list: undefined }), {}, read);
    v1.registerResource("other", "docs://x/report", {}, read);
    const v2 = new McpServerV2(info);
    v2.registerResource("files", new TemplateV2("docs://{+path}", { list: undefined }), {}, read);
    v2.registerResource("other", "docs://x/report", {}, read);
    const protect = () => {
      const charges = { resources: { "docs://report": reads(5) } };
      paywall.protect(v1, charges);
      paywall.protect(v2, charges);
    };
    if (when === "after") protect();
    v1.server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => content(params.uri));
    v2.server.setRequestHandler("resources/read", ({ params }) => content(params.uri));
    if (when === "before") protect();
    const client = await (sdk === "v1" ? connectV1(v1) : connectV2(v2));
    for (const uri of ["docs://x/../report", "docs://y/../report"]) await client.readResource({ uri });
    expect(meters()).toEqual([5, 5]);
  });
});

it("reads a long URI in no time", async () => {
  const client = await serveAll("v2", { resources: { "docs://report": reads(5) }, default: false });
  const before = performance.now();
  for (const part of ["../", "x/", "x/../", " x", "%25", "x/%2e%2e/"])
    await client.readResource({ uri: `docs://a/${part.repeat(100_000)}/b` });
  expect(performance.now() - before).toBeLessThan(5_000);
});

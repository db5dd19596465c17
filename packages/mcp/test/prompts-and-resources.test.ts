import { Server as LowServerV1 } from "@modelcontextprotocol/sdk/server/index.js";
import {
  McpServer as McpServerV1,
  ResourceTemplate as TemplateV1,
} from "@modelcontextprotocol/sdk/server/mcp.js";
import { ReadResourceRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { McpServer as McpServerV2, ResourceTemplate as TemplateV2 } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";
import { connectV1, connectV2 } from "./connect.ts";

const info = { name: "server", version: "1" };
const message = (text: string) => ({
  messages: [{ role: "user" as const, content: { type: "text" as const, text } }],
});
const contents = (uri: URL) => ({ contents: [{ uri: uri.href, text: "content" }] });
const CHARGES = {
  prompts: { review: { meterName: "prompts" }, free: false },
  resources: { "doc://one": { meterName: "reads" }, pages: { meterName: "reads", quantity: 2 } },
} as const;

function v1(paywall: TestPaywall, form: string) {
  const server = new McpServerV1(info);
  const wrapped = form === "single";
  const review = ({ code }: { code: string }) => message(code);
  server.registerPrompt(
    "review",
    { argsSchema: { code: z.string() } },
    wrapped
      ? paywall.prompt(CHARGES.prompts.review, async (args: { code: string }, _extra: object) => review(args))
      : review,
  );
  server.registerPrompt("free", {}, () => message("free"));
  const read = async (uri: URL, _extra: object) => contents(uri);
  const readPage = async (uri: URL, _variables: object, _extra: object) => contents(uri);
  server.registerResource(
    "one",
    "doc://one",
    {},
    wrapped ? paywall.resource(CHARGES.resources["doc://one"], read) : read,
  );
  server.registerResource(
    "pages",
    new TemplateV1("doc://pages/{n}", { list: undefined }),
    {},
    wrapped ? paywall.resource(CHARGES.resources.pages, readPage) : readPage,
  );
  return connectV1(wrapped ? server : paywall.protect(server, CHARGES));
}

function v2(paywall: TestPaywall, form: string) {
  const server = new McpServerV2(info);
  const wrapped = form === "single";
  const review = ({ code }: { code: string }) => message(code);
  server.registerPrompt(
    "review",
    { argsSchema: z.object({ code: z.string() }) },
    wrapped
      ? paywall.prompt(CHARGES.prompts.review, async (args: { code: string }, _ctx: object) => review(args))
      : review,
  );
  server.registerPrompt("free", {}, () => message("free"));
  const read = async (uri: URL, _ctx: object) => contents(uri);
  const readPage = async (uri: URL, _variables: object, _ctx: object) => contents(uri);
  server.registerResource(
    "one",
    "doc://one",
    {},
    wrapped ? paywall.resource(CHARGES.resources["doc://one"], read) : read,
  );
  server.registerResource(
    "pages",
    new TemplateV2("doc://pages/{n}", { list: undefined }),
    {},
    wrapped ? paywall.resource(CHARGES.resources.pages, readPage) : readPage,
  );
  return connectV2(wrapped ? server : paywall.protect(server, CHARGES));
}

describe.each([
  ["v1", v1],
  ["v2", v2],
] as const)("%s", (_, connect) => {
  it.each(["single", "protect"])("charges for prompts and resources, form %s", async (form) => {
    const paywall = createTestPaywall();
    const client = await connect(paywall, form);
    expect(await client.getPrompt({ name: "review", arguments: { code: "x" } })).toMatchObject(message("x"));
    paywall.expectBilled({ meterName: "prompts", quantity: 1 });
    expect(await client.readResource({ uri: "doc://one" })).toMatchObject(contents(new URL("doc://one")));
    expect(await client.readResource({ uri: "doc://pages/7" })).toMatchObject(
      contents(new URL("doc://pages/7")),
    );
    paywall.expectBilled({}, { meterName: "reads", quantity: 1 }, { meterName: "reads", quantity: 2 });
    paywall.actAs(null);
    const refused = { code: 6001, data: { code: "missing_token", status: 401 } };
    await expect(client.getPrompt({ name: "review", arguments: { code: "x" } })).rejects.toMatchObject(
      refused,
    );
    await expect(client.readResource({ uri: "doc://one" })).rejects.toMatchObject(refused);
    await expect(client.readResource({ uri: "doc://pages/7" })).rejects.toMatchObject(refused);
    expect(await client.getPrompt({ name: "free" })).toMatchObject(message("free"));
  });

  it("does not bill what does not exist or has wrong arguments", async () => {
    const paywall = createTestPaywall();
    const client = await connect(paywall, "protect");
    await expect(client.getPrompt({ name: "review", arguments: {} })).rejects.toThrow(/Invalid arguments/);
    await expect(client.getPrompt({ name: "unknown" })).rejects.toThrow(/not found/);
    await expect(client.readResource({ uri: "doc://unknown" })).rejects.toThrow();
    paywall.expectBilled();
  });
});

it.each(["https://docs.example", "https://docs.example/"])(
  "charges a low-level server for %s by whatever spelling its handler takes",
  async (uri) => {
    const paywall = createTestPaywall();
    const server = new LowServerV1(info, { capabilities: { resources: {} } });
    server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => contents(new URL(params.uri)));
    paywall.protect(server, { resources: { [uri]: { meterName: "reads" } } });
    const client = await connectV1(server);
    const spellings = ["https://docs.example", "HTTPS://DOCS.example/", "https://docs.example:443/x/.."];
    for (const spelling of spellings) {
      expect(await client.readResource({ uri: spelling })).toEqual(
        contents(new URL("https://docs.example/")),
      );
    }
    paywall.expectBilled(...spellings.map(() => ({ meterName: "reads" })));
    await client.readResource({ uri: "https://docs.example/other" });
    paywall.expectBilled(...spellings.map(() => ({ meterName: "reads" })));
  },
);

it("leaves prompts and resources alone where only tools are charged", async () => {
  const paywall = createTestPaywall();
  const server = paywall.protect(new McpServerV1(info), { tools: {} });
  server.registerPrompt("p", {}, () => message("free"));
  paywall.actAs(null);
  expect(await (await connectV1(server)).getPrompt({ name: "p" })).toMatchObject(message("free"));
});

it("charges a prompt once on a v2 server, by its own price, where its handler is wrapped and the server protected", async () => {
  const paywall = createTestPaywall();
  const server = paywall.protect(new McpServerV2(info), { prompts: {} });
  server.registerPrompt(
    "p",
    {},
    paywall.prompt({ meterName: "prompts", quantity: 3 }, async () => message("paid")),
  );
  await (await connectV2(server)).getPrompt({ name: "p" });
  paywall.expectBilled({ meterName: "prompts", quantity: 3 });
});

it("hides tools that the caller may not call, where the owner wants that", async () => {
  const paywall = createTestPaywall({ hideUncallable: true });
  const server = paywall.protect(new McpServerV1(info), {
    tools: { open: {}, admin: { scopes: ["mcp:admin"] }, free: false },
  });
  for (const name of ["open", "admin", "free"]) server.registerTool(name, {}, () => ({ content: [] }));
  const client = await connectV1(server);
  const names = async () => (await client.listTools()).tools.map(({ name }) => name);
  expect(await names()).toEqual(["open", "free"]);
  paywall.actAs(paywall.authorize("agt_admin", { scopes: ["mcp:admin"] }));
  expect(await names()).toEqual(["open", "admin", "free"]);
  paywall.actAs(null);
  expect(await names()).toEqual(["free"]);
  paywall.actAs(paywall.authorize("agt_2"));
  paywall.refuseWith("billing_unavailable");
  expect(await names()).toEqual(["open", "admin", "free"]);
});

import { completable as completableV1 } from "@modelcontextprotocol/sdk/server/completable.js";
import { McpServer as McpServerV1, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import {
  completable,
  McpServer as McpServerV2,
  ResourceTemplate as ResourceTemplateV2,
} from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { ProtectOptions } from "../src/index.ts";
import { createTestPaywall } from "../src/testing.ts";
import { connectV1, connectV2, text } from "./connect.ts";

const info = { name: "server", version: "1" };
const METHODS = [
  "completion/complete",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "tools/list",
] as const;

const CHARGES: ProtectOptions = {
  tools: { forecast: { meterName: "api_calls" } },
  prompts: { greet: { meterName: "api_calls", scopes: ["mcp:prompts"] }, free: false },
  resources: { items: { meterName: "api_calls" } },
};

/** A server with something of each kind that only its lists and completions tell. */
async function serve(sdk: string, options: ProtectOptions) {
  const paywall = createTestPaywall();
  const complete = () => ["secret"];
  const noContents = () => ({ contents: [] });
  const callbacks = {
    list: () => ({ resources: [{ uri: "docs://secret", name: "secret" }] }),
    complete: { id: complete },
  };
  const noMessages = () => ({ messages: [] });
  if (sdk === "v1") {
    const server = paywall.protect(new McpServerV1(info), options);
    server.registerTool("forecast", {}, () => text("ran"));
    const argsSchema = { name: completableV1(z.string(), complete) };
    server.registerPrompt("greet", { argsSchema }, noMessages);
    server.registerPrompt("free", { argsSchema }, noMessages);
    server.registerResource("items", new ResourceTemplate("docs://items/{id}", callbacks), {}, noContents);
    return { paywall, client: await connectV1(server) };
  }
  const server = paywall.protect(new McpServerV2(info), options);
  server.registerTool("forecast", {}, () => text("ran"));
  const argsSchema = z.object({ name: completable(z.string(), complete) });
  server.registerPrompt("greet", { argsSchema }, noMessages);
  server.registerPrompt("free", { argsSchema }, noMessages);
  server.registerResource("items", new ResourceTemplateV2("docs://items/{id}", callbacks), {}, noContents);
  return { paywall, client: await connectV2(server) };
}

describe.each(["v1", "v2"])("on SDK %s", (sdk) => {
  async function ask(options: ProtectOptions) {
    const { paywall, client } = await serve(sdk, options);
    const ofPrompt = (name: string) =>
      client.complete({ ref: { type: "ref/prompt", name }, argument: { name: "name", value: "" } });
    const ofTemplate = () =>
      client.complete({
        ref: { type: "ref/resource", uri: "docs://items/{id}" },
        argument: { name: "id", value: "" },
      });
    const requests = {
      "completion/complete": () => ofPrompt("greet"),
      "prompts/list": () => client.listPrompts(),
      "resources/list": () => client.listResources(),
      "resources/templates/list": () => client.listResourceTemplates(),
      "tools/list": () => client.listTools(),
    };
    return { paywall, requests, ofPrompt, ofTemplate };
  }

  it.each(METHODS)("%s runs for everybody, unless the owner says otherwise", async (method) => {
    const open = await ask(CHARGES);
    open.paywall.actAs(null);
    await open.requests[method]();
    const { paywall, requests } = await ask({ ...CHARGES, requireToken: [method] });
    const scoped = paywall.authorize("agt_scoped", { scopes: ["mcp:prompts"] });
    for (const [token, code, reason] of [
      [null, 6001, "missing_token"],
      ["AGT-00000000-unknown", 6002, "invalid_token"],
    ] as const) {
      paywall.actAs(token);
      await expect(requests[method]()).rejects.toMatchObject({ code, data: { code: reason } });
    }
    for (const other of METHODS.filter((other) => other !== method)) await requests[other]();
    paywall.actAs(scoped);
    const response = JSON.stringify(await requests[method]());
    expect(response).toMatch(/secret|greet|items|forecast/);
    paywall.expectBilled();
  });

  it("a completion needs the scopes of what it completes, and none of what is free", async () => {
    const { paywall, ofPrompt, ofTemplate } = await ask({
      ...CHARGES,
      requireToken: ["completion/complete"],
    });
    await expect(ofPrompt("greet")).rejects.toMatchObject({ data: { code: "insufficient_scope" } });
    expect((await ofTemplate()).completion.values).toEqual(["secret"]);
    paywall.actAs(null);
    expect((await ofPrompt("free")).completion.values).toEqual(["secret"]);
    await expect(ofTemplate()).rejects.toMatchObject({ data: { code: "missing_token" } });
  });
});

it.each([["tools/list"], ["tools/call"], [null], [{}]])("says which requests %j may be", (given) => {
  const options = { requireToken: typeof given === "string" && given === "tools/call" ? [given] : given };
  expect(() => createTestPaywall().protect(new McpServerV1(info), options as ProtectOptions)).toThrow(
    /paywall\.protect: requireToken is a list of these: "completion\/complete", /,
  );
});

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { refusalOf, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// Mistakes in the set-up, as the owner's terminal shows them: on standard error, once, with what to do.

let api: StandIn;
let closings: (() => Promise<unknown>)[];
let createPaywall: typeof import("../src/index.ts").createPaywall;
beforeEach(async () => {
  vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  vi.spyOn(process.stdout, "write");
  vi.stubEnv("LICENTRIC_BASE_URL", undefined);
  // What is told once is told once in a process.
  vi.resetModules();
  ({ createPaywall } = await import("../src/index.ts"));
  api = await startStandIn();
  closings = [api.close];
});
afterEach(async () => {
  expect(process.stdout.write).not.toHaveBeenCalled();
  for (const close of closings) await close();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const warnings = () => vi.mocked(process.emitWarning).mock.calls.map(([warning]) => String(warning));

async function callTwice(baseUrl: string | undefined, meterName = "api_calls", listen = false) {
  const token = api.ledger.authorize("agt_1");
  const paywall = createPaywall({
    ...(baseUrl !== undefined && { baseUrl }),
    token: () => token,
    timeout: 1_000,
  });
  closings.push(paywall.close);
  if (listen) paywall.on("failed", () => undefined);
  let runs = 0;
  const handler = paywall.tool({ meterName }, async (_extra: object) => text(`${++runs}`));
  const refusals = [refusalOf(await handler({})), refusalOf(await handler({}))];
  return { refusals, runs: () => runs };
}

describe("where nothing says where the API is", () => {
  it("is told at construction, once in a process, and that tokens go there", () => {
    for (let time = 0; time < 2; time++) closings.push(createPaywall().close);
    expect(warnings()).toEqual([
      expect.stringMatching(
        /^billing by https:\/\/www\.licentric\.com, as neither baseUrl nor LICENTRIC_BASE_URL .* set LICENTRIC_BASE_URL, for example to http:\/\/127/,
      ),
    ]);
  });

  it.each([
    ["a variable", {}, "http://127.0.0.1:1"],
    ["an option", { baseUrl: "https://www.licentric.com" }, undefined],
  ])("is not where %s does", (_, options, variable) => {
    vi.stubEnv("LICENTRIC_BASE_URL", variable);
    closings.push(createPaywall(options).close);
    expect(warnings()).toEqual([]);
  });
});

describe("where nobody listens", () => {
  it("an API that is not there is told once, with its address, and nothing runs", async () => {
    const { refusals, runs } = await callTwice("http://127.0.0.1:1");
    expect(refusals).toMatchObject([{ code: "billing_unavailable" }, { code: "billing_unavailable" }]);
    expect(runs()).toBe(0);
    expect(warnings()).toEqual([
      expect.stringMatching(
        /^the API cannot be reached.*is baseUrl or LICENTRIC_BASE_URL right\?\): .*http:\/\/127\.0\.0\.1:1.* Told once: paywall\.on\("failed", …\) hears each\.$/,
      ),
    ]);
  });

  it.each([
    [200, "text/html", "<html>My own web app</html>"],
    [200, "application/json", '{"hello":"world"}'],
    [404, "text/html", "<html>Not found</html>"],
    [301, "text/html", ""],
  ])(
    "a server that is no API is told once, as the owner's mistake and no outage: %i %s %s",
    async (status, type, body) => {
      const server = createServer((_request, response) => {
        response.writeHead(status, { "content-type": type }).end(body);
      }).listen(0, "127.0.0.1");
      await new Promise((resolve) => server.once("listening", resolve));
      closings.push(async () => {
        server.closeAllConnections();
        server.close();
      });
      const { refusals, runs } = await callTwice(
        `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      );
      expect(refusals).toMatchObject([{ code: "misconfigured" }, { code: "misconfigured" }]);
      expect(runs()).toBe(0);
      expect(warnings()).toEqual([expect.stringMatching(/baseUrl/)]);
    },
  );

  it("a meter that there is none of is told once, by its own reason", async () => {
    const body = JSON.stringify({ error: 'There is no meter "pags".', code: "NOT_FOUND" });
    api.always = { status: 404, body };
    const { refusals } = await callTwice(api.url, "pags");
    expect(refusals).toMatchObject([{ code: "misconfigured" }, { code: "misconfigured" }]);
    expect(warnings()).toEqual([expect.stringContaining('There is no meter "pags"')]);
  });

  it("an error of the owner's own is told by its reason alone: it may have arguments in it", async () => {
    const token = api.ledger.authorize("agt_1");
    const paywall = createPaywall({ baseUrl: api.url, token: () => token });
    closings.push(paywall.close);
    const quantity = () => {
      throw new Error("secret");
    };
    const handler = paywall.tool({ meterName: "rows", quantity }, async (_extra: object) => text("ran"));
    expect(refusalOf(await handler({}))).toMatchObject({ code: "misconfigured" });
    expect(warnings()).toHaveLength(1);
    expect(warnings()[0]).not.toContain("secret");
  });
});

it("a listener of the owner's is told in place of the terminal", async () => {
  await callTwice("http://127.0.0.1:1", "api_calls", true);
  expect(warnings()).toEqual([]);
});

import { execFile } from "node:child_process";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterAll, beforeAll, describe, expect, inject, it, onTestFailed } from "vitest";
import { type Api, startApi } from "../test/api.ts";
import { frameworks } from "./frameworks.ts";
import { type RunningServer, startServer } from "./running-server.ts";
import { startWeather, type Weather } from "./weather.ts";

// The programs that customers connect with, each set up as the guide says, before a charged tool.

const folder = join(import.meta.dirname, "hosts");

let api: Api;
let weather: Weather;
let server: RunningServer;
beforeAll(async () => {
  [api, weather] = await Promise.all([startApi(), startWeather()]);
  const hono = frameworks.find((one) => one.folder === "hono");
  if (hono === undefined) throw new Error("there is no server to connect to");
  server = await startServer(hono, inject("nodes")[hono.node] ?? "", {
    LICENTRIC_BASE_URL: api.url,
    WEATHER_URL: weather.url,
  });
});
afterAll(async () => {
  await server?.stop();
  await weather?.close();
  await api?.close();
});

/** Calls the tool with a token through a host, and answers what the host has printed. */
type Host = (token: string, city: string) => Promise<string>;

/** A program of `hosts/`, on the oldest Node that it runs on here. */
const program =
  (name: string, node: string): Host =>
  (token, city) =>
    run([inject("nodes")[node] ?? "", "--import", import.meta.resolve("tsx"), name, city], {
      WEATHER_MCP_URL: server.url.href,
      WEATHER_TOKEN: token,
    });

const hosts: Readonly<Record<string, Host>> = {
  "the AI SDK": program("ai-sdk.ts", "24"),
  LangChain: program("langchain.ts", "20"),
  "the OpenAI Agents SDK": program("openai-agents.ts", "24"),
  "the MCP Inspector": (token, city) =>
    run([
      ...[
        inject("nodes")["24"] ?? "",
        "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js",
      ],
      ...["--cli", server.url.href, "--transport", "http", "--header", `Authorization: Bearer ${token}`],
      ...["--method", "tools/call", "--tool-name", "forecast", "--tool-arg", `city=${city}`],
    ]),
  "Claude Desktop, by mcp-remote": async (token, city) => {
    const client = new Client({ name: "desktop", version: "1.0.0" });
    await client.connect(
      new StdioClientTransport({
        command: inject("nodes")["24"] ?? "",
        cwd: folder,
        args: [
          "node_modules/mcp-remote/dist/proxy.js",
          server.url.href,
          "--allow-http",
          "--header",
          // mcp-remote reads the variable: an argument with a space in it is broken up by some hosts.
          // biome-ignore lint/suspicious/noTemplateCurlyInString: as the guide says it.
          "Authorization:${WEATHER_AUTH}",
        ],
        env: { ...environment(), WEATHER_AUTH: `Bearer ${token}` },
      }),
    );
    try {
      return JSON.stringify(await client.callTool({ name: "forecast", arguments: { city } }));
    } finally {
      await client.close();
    }
  },
};

describe.each(Object.entries(hosts))("%s", (name, host) => {
  it("calls a charged tool with a token in a header", async () => {
    onTestFailed(() => console.error(server.output()));
    const { agentId, token } = await api.authorize(["mcp:invoke", "weather:read"]);
    const city = `Paris of ${name}`;
    expect(await host(token, city)).toContain(`Sun in ${city}`);
    expect({ ran: weather.asked(city), billed: await api.billed(agentId) }).toEqual({ ran: 1, billed: 1 });
  });

  it("is told of a token that is not valid", async () => {
    const city = `Rome of ${name}`;
    const said = await host("AGT-0123456789abcdef", city).catch((error: unknown) => String(error));
    expect(said).toMatch(/credential is not valid|\b401\b|[Uu]nauthorized/);
    expect(weather.asked(city)).toBe(0);
  });
});

/** The environment of a host: nothing of ours but what it is given. */
const environment = () =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || name.startsWith("LICENTRIC_") ? [] : [[name, value]],
    ),
  );

/** Runs a command in the folder of the hosts; rejects with all that it has written where it fails. */
function run([command = "", ...args]: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return new Promise<string>((resolve, reject) => {
    execFile(command, args, { cwd: folder, env: { ...environment(), ...env } }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`${stdout}\n${stderr}`, { cause: error })),
    );
  });
}

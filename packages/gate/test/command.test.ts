import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Api, startApi } from "../../mcp/test/api.ts";
import { parseConfig } from "../src/config/parse-config.ts";
import { runCommand } from "./command-line.ts";
import { connect, scratchFolder } from "./paid.ts";
import { until } from "./support.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.close());

const PYTHON = fileURLToPath(new URL("./servers/plain.py", import.meta.url));
const LISTENING = /Agents call (\S+)\. It stands before (.+)\./;
const shout = { name: "shout", arguments: { text: "one" } };

describe("the command", () => {
  it("shows its help and its version", async () => {
    const help = runCommand(["--help"], scratchFolder());
    expect(await help.ended()).toBe(0);
    for (const word of ["--config", "--init", "--stdio", "--host", "--port", "--header", "<url>"])
      expect(help.printed()).toContain(word);
    const version = runCommand(["--version"], scratchFolder());
    expect(await version.ended()).toBe(0);
    expect(version.printed()).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [["python3", "server.py"], "Put -- before the command of a server: licentric-gate -- python3 server.py."],
    [[], "There is no server to stand before"],
    [["--init"], "--init needs a server to ask."],
    [["--stdio", "--port", "1", "--", "python3"], "--stdio listens on no port"],
    [["--header", "a: b", "--", "python3"], "--header is for a remote server"],
    [["--header", "nonsense", "http://127.0.0.1:1/mcp"], 'Write "name: value"'],
    [["--config", "other.json"], "There is no other.json. --init writes one."],
    [["--port", "x", "http://127.0.0.1:1/mcp"], "It is a whole number from 0 to 65535."],
  ])("refuses %j with what to do, and exit code 2", async (args, sentence) => {
    const run = runCommand(args, scratchFolder());
    expect(await run.ended()).toBe(2);
    expect(run.said()).toContain(sentence);
    expect(run.said()).not.toContain("    at ");
    expect(run.printed()).toBe("");
  });

  it("says the line of a file that is wrong, and ends with 2", async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, "licentric.gate.json"), '{\n  "tols": {}\n}');
    const run = runCommand(["--", "python3", PYTHON], folder);
    expect(await run.ended()).toBe(2);
    expect(run.said()).toBe('licentric-gate: licentric.gate.json:2:3: There is no option "tols".\n');
  });

  it("ends with 5 where the server's command is not there", async () => {
    const run = runCommand(["--port", "0", "--", "no-such-command-anywhere"], scratchFolder());
    expect(await run.ended()).toBe(5);
    expect(run.said()).toContain('"no-such-command-anywhere" was not found');
  });
});

/** Starts a gate before the Python server by its command line, in a folder. */
async function start(folder: string, args: readonly string[] = ["--", "python3", PYTHON]) {
  const run = runCommand(["--port", "0", ...args], folder, { LICENTRIC_BASE_URL: api.url });
  const [, url = ""] = await run.says(LISTENING);
  return { run, url };
}

it("says what it stands before without what a URL may hold of secrets", async () => {
  const { run } = await start(scratchFolder(), ["http://owner:sesame@127.0.0.1:9/mcp?key=sesame"]);
  expect(run.said()).toContain("It stands before http://127.0.0.1:9/mcp.");
  expect(run.said()).not.toContain("sesame");
});

it("serves a command without a file: a token is needed and nothing is billed, and says so; ends on SIGTERM", async () => {
  const { agentId, token } = await api.authorize();
  const { run, url } = await start(scratchFolder());
  expect(run.said()).toContain("each tool needs an agent's token, and nothing is billed");
  await expect((await connect(url, undefined, "legacy")).callTool(shout)).rejects.toThrow(
    /401|Unauthorized/i,
  );
  const agent = await connect(url, token, "legacy");
  expect(await agent.callTool(shout)).toMatchObject({ content: [{ text: "ONE" }] });
  expect(await api.billed(agentId)).toBe(0);
  run.child.kill("SIGTERM");
  expect(await run.ended()).toBe(0);
  expect(run.printed()).toBe("");
});

it("begins with --init, bills by the file that it wrote, and follows it: a wrong one is refused with its line", async () => {
  const folder = scratchFolder();
  const file = join(folder, "licentric.gate.json");
  const init = runCommand(["--init", "--", "python3", PYTHON], folder);
  expect(await init.ended()).toBe(0);
  expect(init.said()).toContain("prices 1 tool, at one unit");
  const written = parseConfig(readFileSync(file, "utf8"), file);
  expect(written).toMatchObject({
    upstream: { command: "python3", args: [PYTHON] },
    tools: { shout: { meterName: "api_calls" } },
    default: "hidden",
  });
  const again = runCommand(["--init", "--", "python3", PYTHON], folder);
  expect(await again.ended()).toBe(2);
  expect(again.said()).toContain("is there already and was left as it is");

  const { run, url } = await start(folder, []);
  const { agentId, token } = await api.authorize();
  const agent = await connect(url, token, "legacy");
  await agent.callTool(shout);
  expect(await api.billed(agentId)).toBe(1);

  const change = (quantity: string) =>
    writeFileSync(
      file,
      JSON.stringify({ ...written, tools: { shout: "?" } }, undefined, 1).replace(
        '"?"',
        `{ "meterName": "api_calls", "quantity": ${quantity} }`,
      ),
    );
  change("7");
  await run.says(/licentric\.gate\.json has changed and was taken up\./);
  await agent.callTool(shout);
  expect(await api.billed(agentId)).toBe(8);
  change('"many"');
  await run.says(/was not taken up: what it said before stays in force\.\nlicentric\.gate\.json:\d+:\d+: /);
  await agent.callTool(shout);
  expect(await api.billed(agentId)).toBe(15);
});

it("says with --init which command is not there, and ends with 5", async () => {
  const folder = scratchFolder();
  const run = runCommand(["--init", "--", "pyton3", PYTHON], folder);
  expect(await run.ended()).toBe(5);
  expect(run.said()).toContain('"pyton3" was not found: install it, or give its whole path.');
  expect(existsSync(join(folder, "licentric.gate.json"))).toBe(false);
});

it("writes no header's value into the file of --init", async () => {
  const folder = scratchFolder();
  const run = runCommand(
    ["--init", "--header", "authorization: Bearer secret", "http://127.0.0.1:9/mcp"],
    folder,
  );
  expect(await run.ended()).toBe(5);
  expect(run.said()).toContain("could not be asked for its tools");
  expect(existsSync(join(folder, "licentric.gate.json"))).toBe(false);
});

it("speaks MCP on standard input and output with --stdio, billed to the agent of the environment", async () => {
  const { agentId, token } = await api.authorize();
  const folder = scratchFolder();
  const config = { tools: { shout: { meterName: "api_calls" } } };
  writeFileSync(join(folder, "licentric.gate.json"), JSON.stringify(config));
  const client = new Client({ name: "agent", version: "1" });
  onTestFinished(() => client.close());
  const bin = fileURLToPath(new URL("../src/bin.ts", import.meta.url));
  const env = { ...process.env, LICENTRIC_BASE_URL: api.url, LICENTRIC_AGENT_TOKEN: token };
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: ["--import", import.meta.resolve("tsx"), bin, "--stdio", "--", "python3", PYTHON],
      cwd: folder,
      env: Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value ? [[name, value]] : []))),
    }),
  );
  expect(await client.callTool(shout)).toMatchObject({ content: [{ text: "ONE" }] });
  expect(await api.billed(agentId)).toBe(1);
});

it("bills nothing of a call in whose middle the gate is killed, and each once when it is back", async () => {
  const { agentId, token } = await api.authorize();
  const folder = scratchFolder();
  const upstream = {
    command: process.execPath,
    args: [fileURLToPath(new URL("./servers/odd-server.mjs", import.meta.url))],
    env: { ODD_LOG: join(folder, "sent.jsonl") },
  };
  const config = { upstream, default: { meterName: "api_calls", charge: "success" } };
  writeFileSync(join(folder, "licentric.gate.json"), JSON.stringify(config));
  const first = await start(folder, []);
  const agent = await connect(first.url, token, "legacy");
  // Its response can be resumed, so the client goes on to wait for a gate that is back.
  const lost = agent.callTool({ name: "slow" }, { timeout: 5_000 }).catch((error: unknown) => error);
  const sent = () =>
    existsSync(upstream.env.ODD_LOG) && readFileSync(upstream.env.ODD_LOG, "utf8").includes('"slow"');
  await until(sent);
  first.run.child.kill("SIGKILL");
  expect(await lost).toBeInstanceOf(Error);
  expect(await api.billed(agentId)).toBe(0);

  const second = await start(folder, []);
  const back = await connect(second.url, token, "legacy");
  await back.callTool({ name: "echo", arguments: { a: 1 } });
  expect(await api.billed(agentId)).toBe(1);
});

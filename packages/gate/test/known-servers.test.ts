import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Api, startApi } from "../../mcp/test/api.ts";
import { sdkHttp } from "./official.ts";
import { connect, openPaidGate, recorded, sampleOf, scratchFolder } from "./paid.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.close());

const require = createRequire(import.meta.url);
const program = (name: string) => require.resolve(`@modelcontextprotocol/server-${name}/dist/index.js`);

/** The servers that run as a command, and arguments of tools that take too long with the least that they need. */
const COMMANDS = {
  everything: () => [process.execPath, program("everything"), "stdio"],
  filesystem: () => [process.execPath, program("filesystem"), scratchFolder()],
  memory: () => [process.execPath, program("memory")],
  "plain Python": () => ["python3", fileURLToPath(new URL("./servers/plain.py", import.meta.url))],
};
const ARGUMENTS: Readonly<Record<string, Record<string, unknown>>> = {
  "trigger-long-running-operation": { duration: 0.1, steps: 1 },
  "gzip-file-as-resource": { name: "a.gz", data: "data:text/plain,a", outputType: "resource" },
};

describe.each(Object.entries(COMMANDS))("the server %s behind a gate", (_, commandLine) => {
  it("runs no tool without a token, and bills each once with one", async () => {
    const [command = "", ...args] = commandLine();
    const { upstream, called } = recorded(command, args);
    const gate = await openPaidGate(api, { upstream, default: { meterName: "api_calls" } });

    const stranger = await connect(gate.url, undefined, "legacy");
    const { tools } = await stranger.listTools();
    expect(tools.length).toBeGreaterThan(0);
    const argumentsOf = ({ name, inputSchema }: (typeof tools)[number]) =>
      ARGUMENTS[name] ?? sampleOf(inputSchema);
    for (const tool of tools)
      await expect(stranger.callTool({ name: tool.name, arguments: argumentsOf(tool) })).rejects.toThrow(
        /401|Unauthorized/i,
      );
    expect(called()).toEqual([]);

    const { agentId, token } = await api.authorize();
    const agent = await connect(gate.url, token, "legacy");
    let billed = 0;
    for (const tool of tools) {
      await agent.callTool({ name: tool.name, arguments: argumentsOf(tool) });
      // The server refuses calls of such a tool that make no task.
      if (tool.execution?.taskSupport !== "required") billed += 1;
      expect([tool.name, await api.billed(agentId)]).toEqual([tool.name, billed]);
    }
    expect(called()).toEqual(tools.map(({ name }) => name));
  });
});

describe.each(["v1-sessions", "v1-stateless", "v2"] as const)(
  "a remote server of %s behind a gate",
  (kind) => {
    it.each(["auto", "legacy"] as const)("is paid for by a client of the era %s", async (mode) => {
      const { url } = await sdkHttp(kind);
      const upstream = { url, sendAgentId: true };
      const gate = await openPaidGate(api, { upstream, default: { meterName: "api_calls" } });
      const call = { name: "echo", arguments: { text: "one" } };

      const stranger = await connect(gate.url, undefined, mode);
      await expect(stranger.callTool(call)).rejects.toThrow(/401|Unauthorized/i);

      const { agentId, token } = await api.authorize();
      const agent = await connect(gate.url, token, mode);
      await agent.listTools();
      expect(await agent.callTool(call)).toMatchObject({ content: [{ type: "text", text: "one" }] });
      expect(await api.billed(agentId)).toBe(1);
      const { content } = await agent.callTool({ name: "headers" });
      expect(JSON.stringify(content)).not.toContain(token);
      expect(JSON.stringify(content)).toContain(agentId);
      expect(await api.billed(agentId)).toBe(2);
    });
  },
);

import { writeFile } from "node:fs/promises";
import { StreamableHTTPClientTransport, type Transport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expandVariables } from "../config/expand-variables.ts";
import type { GateConfig } from "../config/gate-config.ts";
import { firstConfig, listServer, type ServerNames } from "../config/init-config.ts";
import { findCommand } from "../upstream/open-upstream.ts";
import { CommandError, EXIT } from "./exit-codes.ts";

type Upstream = NonNullable<GateConfig["upstream"]>;

/**
 * Writes the file that a gate begins with, from what its server lists.
 *
 * @param file - its path; nothing is overwritten
 * @returns what to say
 * @throws CommandError where the file is there, or the server does not answer; UpstreamError where its command is not there
 */
export async function initConfig(file: string, upstream: Upstream, version: string): Promise<string> {
  const names = await askNames(upstream, version);
  const { written, variables } = withoutSecrets(upstream);
  try {
    await writeFile(file, firstConfig(written, names), { flag: "wx" });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST")
      throw new CommandError(
        `${file} is there already and was left as it is. Give another name: --config other.json.`,
      );
    throw error;
  }
  const secrets = variables.map((variable) => ` Set ${variable} to the header's value first.`).join("");
  const tools = names.tools.length === 1 ? "1 tool" : `${names.tools.length} tools`;
  return `${file} prices ${tools}, at one unit of the meter api_calls for each call. Look through it, then start the gate without --init.${secrets}`;
}

async function askNames(upstream: Upstream, version: string): Promise<ServerNames> {
  const expanded = expandVariables(upstream, process.env);
  if ("command" in expanded) await findCommand(expanded);
  try {
    return await listServer(transportTo(expanded), version);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(
      `The server could not be asked for its tools: ${reason.replace(/\.$/, "")}. Check that it runs by itself.`,
      EXIT.unreachable,
    );
  }
}

function transportTo(upstream: Upstream): Transport {
  if ("url" in upstream) {
    const { url, headers = {} } = upstream;
    return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  }
  const { command, args = [], env = {}, cwd } = upstream;
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("LICENTRIC_"));
  const variables = own.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  return new StdioClientTransport({
    command,
    args,
    env: { ...Object.fromEntries(variables), ...env },
    ...(cwd !== undefined && { cwd }),
  });
}

/** An upstream without the values of its headers, which are read from variables in their place. */
function withoutSecrets(upstream: Upstream): {
  readonly written: Upstream;
  readonly variables: readonly string[];
} {
  if (!("url" in upstream) || upstream.headers === undefined) return { written: upstream, variables: [] };
  const named = Object.keys(upstream.headers).map(
    (name) => [name, `UPSTREAM_${name.toUpperCase().replace(/\W/g, "_")}`] as const,
  );
  const headers = Object.fromEntries(named.map(([name, variable]) => [name, `\${${variable}}`]));
  return { written: { ...upstream, headers }, variables: named.map(([, variable]) => variable) };
}

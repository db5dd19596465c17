import { Client, type Transport } from "@modelcontextprotocol/client";
import type { GateConfig } from "./gate-config.ts";

/** The schema of the file, where editors find it. */
const SCHEMA_URL = "https://unpkg.com/@licentric/gate/licentric.gate.schema.json";

/** Milliseconds that a server may take for each answer. */
const TIMEOUT = 60_000;

/** The names of what a server has. */
export interface ServerNames {
  readonly tools: readonly string[];
  readonly prompts: readonly string[];
  /** The URIs of its resources, without what its templates make. */
  readonly resources: readonly string[];
}

/**
 * Asks a server for its tools, prompts and resources.
 *
 * @param transport - the way to it, which is opened and closed
 * @param version - of this package, told to the server
 * @throws Error where it is not there, or speaks no MCP
 */
export async function listServer(transport: Transport, version: string): Promise<ServerNames> {
  const client = new Client({ name: "licentric-gate", version }, { versionNegotiation: { mode: "auto" } });
  try {
    await client.connect(transport, { timeout: TIMEOUT });
    const has = client.getServerCapabilities() ?? {};
    const options = { timeout: TIMEOUT };
    const tools = has.tools ? (await client.listTools(undefined, options)).tools : [];
    const prompts = has.prompts ? (await client.listPrompts(undefined, options)).prompts : [];
    const resources = has.resources ? (await client.listResources(undefined, options)).resources : [];
    return {
      tools: tools.map(({ name }) => name),
      prompts: prompts.map(({ name }) => name),
      resources: resources.map(({ uri }) => uri),
    };
  } finally {
    await client.close();
  }
}

/** Returns the text of a file to begin with: each tool costs a unit of `api_calls`, and all else needs a token. */
export function firstConfig(
  upstream: NonNullable<GateConfig["upstream"]>,
  { tools, prompts, resources }: ServerNames,
): string {
  const price = '{ "meterName": "api_calls" }';
  const entries = tools.map((name) => `    ${JSON.stringify(name)}: ${price}`);
  const shown = JSON.stringify(upstream, undefined, 2).replaceAll("\n", "\n  ");
  const others = [named("prompts", prompts), named("resources", resources)].flat();
  return `{
  "$schema": ${JSON.stringify(SCHEMA_URL)},
  // The server that the gate stands before.
  "upstream": ${shown},
  // What each tool costs. "free" opens it for everybody, "hidden" takes it away. "charge": "success" bills no call that
  // failed; "scopes": ["mcp:invoke"] asks more of the token.
  "tools": {${entries.length === 0 ? "" : `\n${entries.join(",\n")}\n  `}},
${others.map((line) => `  ${line}\n`).join("")}  // Tools that are not named above are not there, and prompts and resources need a valid token.
  "default": "hidden"
}
`;
}

function named(kind: "prompts" | "resources", names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, 10).map((name) => JSON.stringify(name));
  return [
    `// The server has these ${kind}, which can be priced as tools are, or opened by "free": ${shown.join(", ")}${names.length > 10 ? ", …" : ""}`,
    `"${kind}": {},`,
  ];
}

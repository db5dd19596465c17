/** A framework that servers are written with, and how one of them is run. */
export interface Framework {
  /** As in the documentation. */
  readonly name: string;
  /** The folder of its server. */
  readonly folder: string;
  /** The package whose version is shown. */
  readonly package: string;
  /** The oldest Node that runs it here. */
  readonly node: "20" | "24";
  /** What is run; `server.ts` by default. */
  readonly program?: string;
  /** What is run before, in the folder. */
  readonly build?: readonly string[];
  /** Variables that its server is told its port and its mode by, besides `PORT`. */
  readonly environment?: (port: number) => Readonly<Record<string, string>>;
}

/** Every framework, by its name in the table of the documentation. */
export const frameworks: readonly Framework[] = [
  { name: "FastMCP", folder: "fastmcp", package: "fastmcp", node: "20" },
  {
    name: "FastMCP, stateless",
    folder: "fastmcp",
    package: "fastmcp",
    node: "20",
    environment: () => ({ STATELESS: "true" }),
  },
  { name: "tmcp", folder: "tmcp", package: "tmcp", node: "20" },
  { name: "Mastra", folder: "mastra", package: "@mastra/mcp", node: "24" },
  { name: "mcp-framework", folder: "mcp-framework", package: "mcp-framework", node: "20" },
  { name: "mcp-nest", folder: "mcp-nest", package: "@rekog/mcp-nest", node: "20" },
  { name: "mcp-handler", folder: "mcp-handler", package: "mcp-handler", node: "20" },
  { name: "@hono/mcp", folder: "hono", package: "@hono/mcp", node: "20" },
  {
    name: "xmcp",
    folder: "xmcp",
    package: "xmcp",
    node: "20",
    build: ["node_modules/xmcp/dist/cli.js", "build"],
    program: "dist/http.js",
  },
  { name: "ext-apps", folder: "ext-apps", package: "@modelcontextprotocol/ext-apps", node: "20" },
  {
    name: "skybridge",
    folder: "skybridge",
    package: "skybridge",
    node: "24",
    environment: (port) => ({ __PORT: `${port}`, NODE_ENV: "production" }),
  },
  { name: "mcp-lite", folder: "mcp-lite", package: "mcp-lite", node: "20" },
  { name: "Cloudflare createMcpHandler", folder: "agents", package: "agents", node: "24" },
  {
    name: "Cloudflare McpAgent",
    folder: "agents",
    package: "agents",
    node: "24",
    environment: () => ({ WORKER: "agent-worker.ts" }),
  },
];

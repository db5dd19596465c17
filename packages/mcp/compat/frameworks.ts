/** A framework that servers are written with, and how one of them is run. */
export interface Framework {
  /** As in the documentation. */
  readonly name: string;
  /** The folder of its server. */
  readonly folder: string;
  /** Its page, below `docs/frameworks/`. */
  readonly page: string;
  /** What its server is charged by, with the options that it needs. */
  readonly charged: string;
  /** The package whose version is shown. */
  readonly package: string;
  /** The runtime, where that is not Node. */
  readonly runtime?: string;
  /** The oldest Node that runs it here. */
  readonly node: "20" | "24";
  /** The official clients that it serves, by their SDK; both by default. */
  readonly clients?: readonly ("v1" | "v2")[];
  /** What is run; `server.ts` by default. */
  readonly program?: string;
  /** What is run before, in the folder. */
  readonly build?: readonly string[];
  /** Variables that its server is told its port and its mode by, besides `PORT`. */
  readonly environment?: (port: number) => Readonly<Record<string, string>>;
}

/** Every framework, by its name in the table of the documentation. */
export const frameworks: readonly Framework[] = [
  { name: "FastMCP", folder: "fastmcp", page: "fastmcp", charged: "`tool`", package: "fastmcp", node: "20" },
  {
    name: "FastMCP, stateless",
    folder: "fastmcp",
    page: "fastmcp",
    charged: "`tool`",
    package: "fastmcp",
    node: "20",
    environment: () => ({ STATELESS: "true" }),
  },
  {
    name: "tmcp",
    folder: "tmcp",
    page: "tmcp",
    charged: "`tool`, option `token`",
    package: "tmcp",
    node: "20",
  },
  {
    name: "Mastra",
    folder: "mastra",
    page: "mastra",
    charged: "`tool`, option `refusals`",
    package: "@mastra/mcp",
    node: "24",
    // Version 2 serves the protocol 2026-07-28 alone.
    clients: ["v2"],
  },
  {
    name: "mcp-framework",
    folder: "mcp-framework",
    page: "mcp-framework",
    charged: "`tool`, options `token`, `refusals`",
    package: "mcp-framework",
    node: "20",
  },
  {
    name: "mcp-nest",
    folder: "mcp-nest",
    page: "mcp-nest",
    charged: "`protect`",
    package: "@rekog/mcp-nest",
    node: "20",
  },
  {
    name: "mcp-handler",
    folder: "mcp-handler",
    page: "mcp-handler",
    charged: "`protect`",
    package: "mcp-handler",
    node: "20",
  },
  { name: "@hono/mcp", folder: "hono", page: "hono", charged: "`protect`", package: "@hono/mcp", node: "20" },
  {
    name: "xmcp",
    folder: "xmcp",
    page: "xmcp",
    charged: "`tool`",
    package: "xmcp",
    node: "20",
    build: ["node_modules/xmcp/dist/cli.js", "build"],
    program: "dist/http.js",
  },
  {
    name: "ext-apps",
    folder: "ext-apps",
    page: "ext-apps",
    charged: "`protect`",
    package: "@modelcontextprotocol/ext-apps",
    node: "20",
  },
  {
    name: "skybridge",
    folder: "skybridge",
    page: "skybridge",
    charged: "`protect`",
    package: "skybridge",
    node: "24",
    environment: (port) => ({ __PORT: `${port}`, NODE_ENV: "production" }),
  },
  {
    name: "mcp-lite",
    folder: "mcp-lite",
    page: "mcp-lite",
    charged: "`tool`",
    package: "mcp-lite",
    node: "20",
  },
  {
    name: "Cloudflare createMcpHandler",
    folder: "agents",
    page: "cloudflare",
    charged: "`protect`",
    runtime: "workerd",
    package: "agents",
    node: "24",
  },
  {
    name: "Cloudflare McpAgent",
    folder: "agents",
    page: "cloudflare",
    charged: "`protect`",
    runtime: "workerd",
    package: "agents",
    node: "24",
    environment: () => ({ WORKER: "agent-worker.ts" }),
  },
];

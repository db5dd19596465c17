/** A page of the site. */
export interface Page {
  /** Where it is, below `docs/`. */
  readonly path: string;
  readonly title: string;
  /** What a reader comes to it for. */
  readonly about: string;
}

/** Pages that belong together, in the order in which they are read. */
export interface Section {
  readonly title: string;
  readonly pages: readonly Page[];
}

/** Every page that is written by hand but the home, which lists them. */
export const sections: readonly Section[] = [
  {
    title: "Begin",
    pages: [
      { path: "quickstart.md", title: "Quickstart", about: "from nothing to a paid tool in five minutes" },
    ],
  },
  {
    title: "Guides",
    pages: [
      {
        path: "guides/gate.md",
        title: "Let agents in",
        about: "tokens, scopes, and HTTP status codes",
      },
      {
        path: "guides/connect.md",
        title: "Connect an agent",
        about: "configuration to copy: Claude Code, Cursor, VS Code, AI SDK",
      },
      { path: "guides/meter.md", title: "Meter calls", about: "what a call counts, and when it is counted" },
      {
        path: "guides/runtimes.md",
        title: "Where it runs",
        about: "Node, Bun, Deno, Workers: what runs there, and how",
      },
      { path: "guides/http.md", title: "HTTP routes", about: "charge for any endpoint, on any framework" },
      {
        path: "guides/any-server.md",
        title: "Any server, without code",
        about: "a paid front for an MCP server in any language",
      },
      { path: "guides/budgets.md", title: "Budgets", about: "limit what an agent or a customer may use" },
      { path: "guides/prices.md", title: "Prices", about: "per unit, in tiers, in packages" },
      { path: "guides/invoices.md", title: "Invoices and Stripe", about: "close the month and get paid" },
      {
        path: "guides/corrections.md",
        title: "Correct usage",
        about: "refund a call, adjust what is billed",
      },
      {
        path: "guides/console.md",
        title: "The console",
        about: "see usage, customers and invoices as pages",
      },
      { path: "guides/refusals.md", title: "Errors and refusals", about: "what callers see, and what to do" },
      { path: "guides/production.md", title: "Going to production", about: "run the API on PostgreSQL" },
      {
        path: "guides/operations.md",
        title: "Operations",
        about: "deploy, watch, recover, rotate, export and erase",
      },
      {
        path: "guides/scale.md",
        title: "Years of events",
        about: "partitions, what is kept for how long, archives",
      },
      {
        path: "guides/testing.md",
        title: "Testing your server",
        about: "without a network, or against the API",
      },
      {
        path: "guides/security.md",
        title: "Security model",
        about: "who may do what, and where secrets are",
      },
      { path: "guides/hosted.md", title: "The hosted service", about: "move from it, or to it" },
    ],
  },
  {
    title: "Frameworks",
    pages: [
      { path: "frameworks/index.md", title: "Where it runs", about: "each framework, as it was tested" },
      { path: "frameworks/fastmcp.md", title: "FastMCP", about: "a server of FastMCP" },
      { path: "frameworks/hono.md", title: "Hono", about: "a server behind @hono/mcp" },
      { path: "frameworks/mcp-handler.md", title: "mcp-handler", about: "a route of Next.js and its like" },
      { path: "frameworks/mcp-nest.md", title: "NestJS", about: "a server of mcp-nest" },
      { path: "frameworks/mastra.md", title: "Mastra", about: "an MCPServer of Mastra" },
      {
        path: "frameworks/cloudflare.md",
        title: "Cloudflare Workers",
        about: "createMcpHandler and McpAgent",
      },
      { path: "frameworks/tmcp.md", title: "tmcp", about: "a server of tmcp" },
      { path: "frameworks/mcp-framework.md", title: "mcp-framework", about: "a server of mcp-framework" },
      { path: "frameworks/xmcp.md", title: "xmcp", about: "tools of xmcp" },
      { path: "frameworks/ext-apps.md", title: "MCP Apps", about: "tools with pages of their own" },
      { path: "frameworks/skybridge.md", title: "skybridge", about: "an app of skybridge" },
      { path: "frameworks/mcp-lite.md", title: "mcp-lite", about: "a server of mcp-lite" },
    ],
  },
  {
    title: "Judge it",
    pages: [
      {
        path: "failures.md",
        title: "When something fails",
        about: "what each outage does to calls and bills",
      },
      { path: "performance.md", title: "Performance", about: "what it costs a call, measured" },
      { path: "comparison.md", title: "Comparison", about: "what else there is, and when to take that" },
    ],
  },
];

/** The pages that are generated from the sources, into `docs/reference/`. */
export const reference: Section = {
  title: "Reference",
  pages: [
    { path: "reference/mcp/index.md", title: "@licentric/mcp", about: "the paywall" },
    {
      path: "reference/mcp/testing/index.md",
      title: "@licentric/mcp/testing",
      about: "the paywall of tests",
    },
    {
      path: "reference/mcp/protocol/index.md",
      title: "@licentric/mcp/protocol",
      about: "MCP's rules on messages, for proxies",
    },
    { path: "reference/gate/index.md", title: "@licentric/gate", about: "a paid front for any server" },
    { path: "reference/paywall/index.md", title: "@licentric/paywall", about: "charging for anything else" },
    {
      path: "reference/paywall/fastify/index.md",
      title: "@licentric/paywall/fastify",
      about: "the plugin for Fastify",
    },
    { path: "reference/sdk/index.md", title: "@licentric/sdk", about: "the client" },
    { path: "reference/server/index.md", title: "@licentric/server", about: "the API in a program of yours" },
    { path: "reference/http/index.md", title: "HTTP API", about: "every call, and its OpenAPI document" },
    { path: "reference/errors.md", title: "Error codes", about: "of the API, the client and the paywall" },
    { path: "reference/configuration.md", title: "Configuration", about: "every environment variable" },
    { path: "reference/command-line.md", title: "Command line", about: "every command and option" },
  ],
};

/** A page's address on the site. */
export function linkTo({ path }: Page): string {
  return `/${path.replace(/(index)?\.md$/, "")}`;
}

import type { XmcpConfig } from "xmcp";

const config: XmcpConfig = {
  http: { port: Number(process.env["PORT"] ?? 3001) },
  paths: { tools: "./src/tools", prompts: false, resources: false },
  // xmcp bundles what tools import. The paywall stays a package: its HTTP client loads parts of Node when it needs them.
  bundler: (bundler: { externals?: unknown }) => ({
    ...bundler,
    externals: [bundler.externals ?? [], { "@licentric/mcp": "import @licentric/mcp" }].flat(),
  }),
};

export default config;

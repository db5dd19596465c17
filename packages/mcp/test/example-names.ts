// What the examples in doc comments take for granted.
declare const server: import("@modelcontextprotocol/server").McpServer;
declare const paywall: import("@licentric/mcp").Paywall;
declare const z: typeof import("zod").z;

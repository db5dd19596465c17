/** The error of a server that cannot be guarded: better none than one that seems to be. */
export function notGuardable(why: string): TypeError {
  return new TypeError(
    `paywall.protect cannot guard this server: ${why}. It guards McpServer and Server of @modelcontextprotocol/sdk 1.x and @modelcontextprotocol/server 2.x; with anything else, wrap each handler in paywall.tool`,
  );
}

import { createServer } from "node:http";
import { createPaywall } from "@licentric/mcp";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler } from "@modelcontextprotocol/server";
import { createLibraryServer } from "./library-server.ts";

// LICENTRIC_BASE_URL says where the API is. No key is needed: each call brings its own agent's token.
const paywall = createPaywall();
paywall.on("failed", ({ reason, error }) => console.error(reason, error));

// Before: createMcpHandler(() => createLibraryServer()). A tool that is not named here has its caller verified too.
const mcp = createMcpHandler(() =>
  paywall.protect(createLibraryServer(), {
    tools: {
      ping: false, // free, for everybody
      search: { meterName: "api_calls" },
      read: {
        meterName: "api_calls",
        quantity: ({ pages }: { pages: number }) => pages,
        charge: "success", // a book that is not there costs nothing
        price: "one call per page",
      },
    },
  }),
);

const http = createServer(toNodeHandler(mcp));
http.listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1", () => {
  const address = http.address();
  const port = typeof address === "object" && address !== null ? address.port : address;
  console.log(`Library on http://127.0.0.1:${port}/mcp`);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    http.close(() => void paywall.close());
    http.closeIdleConnections();
    setTimeout(() => http.closeAllConnections(), 5_000).unref(); // streams that clients keep open
  });
}

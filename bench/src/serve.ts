import { createServer, type RequestListener } from "node:http";
import { tellUsage } from "./children.ts";

/** Serves on a free loopback port, tells the parent process where, and stops when that says so. */
export function serve(listener: RequestListener): void {
  tellUsage();
  const http = createServer(listener);
  http.listen(0, "127.0.0.1", () => {
    const address = http.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}` })}\n`);
  });
  process.once("SIGTERM", () => {
    http.close();
    http.closeAllConnections();
  });
}

import { startServer } from "./server.ts";

const server = await startServer(Number(process.env["PORT"] ?? 3000));
console.log(`MCP server on ${server.url}`);

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void server.close());

import { fileURLToPath } from "node:url";
import { startGate } from "@licentric/gate";

// LICENTRIC_BASE_URL says where the API is. The same may stand in a licentric.gate.json, without this program.
const gate = await startGate({
  upstream: { command: "python3", args: [fileURLToPath(new URL("library.py", import.meta.url))] },
  tools: {
    ping: "free",
    search: { meterName: "api_calls" },
    read: {
      meterName: "api_calls",
      quantity: { argument: "/pages" },
      charge: "success", // a book that is not there costs nothing
      price: "one call per page",
    },
  },
  default: "hidden",
  port: Number(process.env["PORT"] ?? 3000),
});
console.log(`Library on ${gate.url}`);

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void gate.close());

import { createPaywall } from "../src/index.ts";
import { fileJournal } from "../src/journal.ts";

// Serves calls in the background mode until it is killed, and says of each when its result was delivered.

const paywall = createPaywall({
  metering: "background",
  verification: { cacheTtl: 60_000 },
  journal: fileJournal({ directory: process.argv[2] ?? "", flushInterval: 5 }),
  token: () => process.env["LICENTRIC_AGENT_TOKEN"],
});
const handler = paywall.tool({ meterName: "api_calls", name: "t" }, async (_context: object) => ({
  content: [],
}));

for (;;) {
  await handler({});
  process.stdout.write("served\n");
  await new Promise((resolve) => setImmediate(resolve));
}

import { pino } from "pino";
import { startServer } from "../../src/start-server.ts";
import { type DatabaseLocation, openDatabase } from "../../src/store/open-database.ts";
import type { TestLimits } from "./server-process.ts";

/** A server of its own process, told by its environment where the data is; it says on which port it answers. */
const { TEST_DATABASE_URL: databaseUrl, TEST_DATA_DIRECTORY, TEST_STRIPE_URL: stripeUrl } = process.env;
const limits: TestLimits = JSON.parse(process.env["TEST_LIMITS"] ?? "{}");
const location: DatabaseLocation = databaseUrl
  ? { databaseUrl, ...limits }
  : { dataDirectory: TEST_DATA_DIRECTORY ?? "" };
const db = await openDatabase(location);
const server = await startServer({
  db,
  ...limits,
  port: 0,
  logLevel: "error",
  logDestination: pino.destination(2),
  secretKey: "only-for-tests-and-nothing-else",
  ...(stripeUrl && { stripe: { apiKey: "sk_test_standin", baseUrl: stripeUrl } }),
});
process.on("SIGTERM", async () => {
  await server.close();
  await db.close();
});
process.on("SIGUSR2", async () => {
  await db.query("SELECT pg_switch_wal()");
  await db.script("CHECKPOINT");
});
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`);

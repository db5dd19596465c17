import { randomBytes, randomUUID } from "node:crypto";
import { createAccount, createKey, getEnvironmentId, openDatabase, startServer } from "@licentric/server";

// The API in a process of its own, with an account and a key that it tells its parent.
const { BENCH_DATABASE_URL: databaseUrl, BENCH_DATA_DIRECTORY: dataDirectory = "" } = process.env;
const db = await openDatabase(databaseUrl ? { databaseUrl } : { dataDirectory });
const making = { newId: randomUUID, now: new Date(), randomBytes };
const account = await createAccount(db, { name: "Bench" }, making);
const environmentId = await getEnvironmentId(db, account.id, "test");
const { key: apiKey } = await createKey(db, { environmentId, mode: "test" }, making);
const perSecond = 10_000_000;
const server = await startServer({
  db,
  port: 0,
  logLevel: "error",
  rateLimits: { perCredential: perSecond, perAddress: perSecond },
});
process.stdout.write(`${JSON.stringify({ url: server.url, apiKey })}\n`);
process.once("SIGTERM", async () => {
  await server.close();
  await db.close();
});

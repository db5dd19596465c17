import { openDatabase } from "@licentric/server";
import { makeAccount, serveApi } from "./api.ts";
import { tellUsage } from "./children.ts";
import { locationFrom } from "./databases.ts";

// The API in a process of its own, with an account and a key that it tells its parent.
tellUsage();
const db = await openDatabase(locationFrom(process.env));
const { apiKey } = await makeAccount(db);
const server = await serveApi(db);
process.stdout.write(`${JSON.stringify({ url: server.url, apiKey })}\n`);
process.once("SIGTERM", async () => {
  await server.close();
  await db.close();
});

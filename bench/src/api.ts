import { randomBytes, randomUUID } from "node:crypto";
import {
  createAccount,
  createKey,
  type Database,
  getEnvironmentId,
  type RunningServer,
  startServer,
} from "@licentric/server";

/** Serves the API on a database, with limits that no benchmark reaches. */
export function serveApi(db: Database, now?: () => Date): Promise<RunningServer> {
  const perMinute = 10_000_000;
  return startServer({
    db,
    port: 0,
    logLevel: "error",
    rateLimits: { perCredential: perMinute, perAddress: perMinute },
    ...(now && { now }),
  });
}

/** Makes an account; answers its test environment and a management key of that. */
export async function makeAccount(db: Database): Promise<{ environmentId: string; apiKey: string }> {
  const making = { newId: randomUUID, now: new Date(), randomBytes };
  const account = await createAccount(db, { name: "Bench" }, making);
  const environmentId = await getEnvironmentId(db, account.id, "test");
  const { key } = await createKey(db, { environmentId, mode: "test" }, making);
  return { environmentId, apiKey: key };
}

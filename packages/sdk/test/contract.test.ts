import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAccount, createKey, getEnvironmentId, openDatabase, startServer } from "@licentric/server";
import { type ApiUnderTest, describeContract } from "./contract/describe-contract.ts";
import { fakeApi } from "./fake/fake-api.ts";
import { serveHandlers } from "./serve-handlers.ts";

describeContract("the fake", async () => {
  const apiKey = "lk_test_fakefakefakefake";
  const server = await serveHandlers(fakeApi(apiKey));
  return { baseUrl: server.url, apiKey, close: server.close };
});

describeContract("the server", async (): Promise<ApiUnderTest> => {
  const directory = await mkdtemp(join(tmpdir(), "licentric-sdk-"));
  const db = await openDatabase({ dataDirectory: join(directory, "data") });
  const tools = { newId: randomUUID, now: new Date(), randomBytes };
  const account = await createAccount(db, { name: "Contract" }, tools);
  const environmentId = await getEnvironmentId(db, account.id, "test");
  const { key } = await createKey(db, { environmentId, mode: "test" }, tools);
  const server = await startServer({ db, port: 0, logLevel: "silent" });
  return {
    baseUrl: server.url,
    apiKey: key,
    async close() {
      await server.close();
      await db.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
});

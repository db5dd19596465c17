import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAccount, createKey, getEnvironmentId, openDatabase, startServer } from "@licentric/server";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { prepareDatabase } from "../../server/test/support/prepared-database.ts";
import { constructEvent, Licentric } from "../src/index.ts";
import { type ApiUnderTest, describeContract } from "./contract/describe-contract.ts";
import { fakeApi } from "./fake/fake-api.ts";
import { serveHandlers } from "./serve-handlers.ts";

describeContract("the fake", async () => {
  const apiKey = "lk_test_fakefakefakefake";
  const server = await serveHandlers(fakeApi(apiKey));
  return { baseUrl: server.url, apiKey, close: server.close };
});

describeContract("the server", startRealServer);

describe("a webhook of the real server", () => {
  it("is verified by constructEvent, with the secret that its creation answered", async () => {
    const deliveries: { body: Buffer; headers: IncomingHttpHeaders }[] = [];
    const receiver = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      deliveries.push({ body: Buffer.concat(chunks), headers: request.headers });
      response.writeHead(204).end();
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    const address = receiver.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const api = await startRealServer();
    const client = new Licentric({ apiKey: api.apiKey, baseUrl: api.baseUrl });
    onTestFinished(async () => {
      await client.close();
      await api.close();
      receiver.close();
      receiver.closeAllConnections();
    });

    const { secret } = await client.webhooks.create({
      url: `http://127.0.0.1:${port}/hook`,
      events: ["period.closed"],
    });
    const { id } = await client.billing.getCurrentPeriod();
    await client.billing.closePeriod(id);
    await vi.waitFor(() => expect(deliveries).toHaveLength(1), 20_000);
    const [delivery] = deliveries;
    const event = constructEvent(delivery?.body ?? "", delivery?.headers ?? {}, secret);
    expect(event).toMatchObject({ type: "period.closed", data: { id, status: "closed" } });
    const forged = Buffer.from(String(delivery?.body).replace(id, "per_other"));
    expect(() => constructEvent(forged, delivery?.headers ?? {}, secret)).toThrow(/does not match/);
  }, 60_000);
});

async function startRealServer(): Promise<ApiUnderTest> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "licentric-sdk-"));
  await prepareDatabase(dataDirectory);
  const db = await openDatabase({ dataDirectory });
  const tools = { newId: randomUUID, now: new Date(), randomBytes };
  const account = await createAccount(db, { name: "Contract" }, tools);
  const environmentId = await getEnvironmentId(db, account.id, "test");
  const { key } = await createKey(db, { environmentId, mode: "test" }, tools);
  const server = await startServer({
    db,
    port: 0,
    logLevel: "silent",
    allowPrivateWebhooks: true,
    backgroundInterval: 50,
  });
  return {
    baseUrl: server.url,
    apiKey: key,
    async close() {
      await server.close();
      await db.close();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { Licentric } from "../../../sdk/src/index.ts";
import {
  createAccount,
  createKey,
  getEnvironmentId,
  openDatabase,
  startServer,
} from "../../../server/src/index.ts";
import { RUNTIMES } from "./runtimes.ts";

// The packed packages, on each runtime: what they answer there, and what the API has recorded of it.

let client: Licentric;
let apiKey: string;
let close: () => Promise<void>;

beforeAll(async () => {
  const dataDirectory = await mkdtemp(join(tmpdir(), "licentric-runtimes-"));
  const db = await openDatabase({ dataDirectory });
  const tools = { newId: randomUUID, now: new Date(), randomBytes };
  const account = await createAccount(db, { name: "Runtimes" }, tools);
  const environmentId = await getEnvironmentId(db, account.id, "test");
  ({ key: apiKey } = await createKey(db, { environmentId, mode: "test" }, tools));
  const server = await startServer({ db, port: 0, logLevel: "silent" });
  client = new Licentric({ apiKey, baseUrl: server.url });
  for (const name of ["calls", "pages", "routes", "tools"]) await client.meters.create({ name });
  close = async () => {
    await client.close();
    await server.close();
    await db.close();
    await rm(dataDirectory, { recursive: true, force: true });
  };
});
afterAll(() => close());

describe("client and paywall", () => {
  it.each(Object.entries(RUNTIMES))("verify, charge and refuse on %s", async (name, run) => {
    const agent = await client.agents.create({ name });
    const { token } = await client.mcp.authorize(agent.id, { scopes: ["mcp:invoke"] });
    const settings = { apiKey, baseUrl: client.baseUrl, token: token.reveal() };
    expect(await run(inject("project"), settings)).toEqual({
      agentId: agent.id,
      verified: 200,
      refused: ["AuthenticationError", 401, true],
      left: "AbortError",
      failed: "ConnectionError",
      report: "a report",
      refusal: [true, "invalid_token", 401],
      paid: [200, "the weather"],
      unpaid: [401, "missing_token"],
      tool: "sun",
    });
    const totals = await client.usage.totals({ agentId: agent.id });
    expect(Object.fromEntries(totals.map(({ meterName, quantity }) => [meterName, quantity]))).toEqual({
      calls: 1,
      pages: 3,
      routes: 1,
      tools: 1,
    });
  });
});

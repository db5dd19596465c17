import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Licentric } from "@licentric/sdk";
import { createAccount, createKey, getEnvironmentId, openDatabase, startServer } from "@licentric/server";
import { prepareDatabase } from "../../server/test/support/prepared-database.ts";

/** The real API with an account of its own. */
export interface Api {
  readonly url: string;
  /** The same API where nobody may ask anything more in this minute. */
  readonly limitedUrl: string;
  readonly apiKey: string;
  readonly client: Licentric;
  /** Makes an agent and answers its token. */
  authorize(scopes?: string[], expiresIn?: number): Promise<{ agentId: string; token: string }>;
  /** Stops answering, as an API does that is down, until {@link start}: connections are refused. */
  stop(): Promise<void>;
  /** Answers again, at the same URL and on the same data. */
  start(): Promise<void>;
  /** What was billed to an agent on a meter. */
  billed(agentId: string, meterName?: string): Promise<number>;
  close(): Promise<void>;
}

/** Starts the real API on the embedded database. */
export async function startApi(): Promise<Api> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "licentric-mcp-"));
  await prepareDatabase(dataDirectory);
  let db = await openDatabase({ dataDirectory });
  const making = { newId: randomUUID, now: new Date(), randomBytes };
  const account = await createAccount(db, { name: "Test" }, making);
  const environmentId = await getEnvironmentId(db, account.id, "test");
  const { key: apiKey } = await createKey(db, { environmentId, mode: "test" }, making);
  let server = await startServer({ db, port: 0, logLevel: "fatal" });
  const limited = await startServer({ db, port: 0, logLevel: "fatal", rateLimits: { perCredential: 0 } });
  const client = new Licentric({ apiKey, baseUrl: server.url });
  for (const name of ["tokens", "rows"]) await client.meters.create({ name });
  return {
    url: server.url,
    limitedUrl: limited.url,
    apiKey,
    client,
    async authorize(scopes = ["mcp:invoke"], expiresIn = 600) {
      const { id: agentId } = await client.agents.create({ name: "agent" });
      const { token } = await client.mcp.authorize(agentId, { scopes, expiresIn });
      return { agentId, token: token.reveal() };
    },
    async stop() {
      await server.close();
      await db.close();
    },
    async start() {
      db = await openDatabase({ dataDirectory });
      server = await startServer({ db, port: Number(new URL(server.url).port), logLevel: "fatal" });
    },
    async billed(agentId, meterName = "api_calls") {
      const [row] = await db.query<{ quantity: string }>(
        `SELECT coalesce(sum(e.quantity), 0)::text AS quantity FROM metered_events e JOIN meters m ON m.id = e.meter_id
         WHERE e.agent_id = $1 AND m.name = $2`,
        [agentId, meterName],
      );
      return Number(row?.quantity);
    },
    async close() {
      await client.close();
      await limited.close();
      await server.close();
      await db.close();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

import { randomBytes } from "node:crypto";
import type { KeyScope, Mode } from "@licentric/contract";
import { request } from "undici";
import { v7 as uuidv7 } from "uuid";
import { createAccount, getEnvironmentId, type NewAccount } from "../../src/accounts/accounts.ts";
import { createKey } from "../../src/accounts/keys.ts";
import { type RunningServer, type ServerOptions, startServer } from "../../src/start-server.ts";
import type { Database } from "../../src/store/database.ts";
import { openDatabase } from "../../src/store/open-database.ts";
import type { PostgresOptions } from "../../src/store/postgres.ts";
import type { TestDatabase } from "./databases.ts";

/** An answer as it came over the wire. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly body: any;
}

/** What a request is sent with. */
export interface Call {
  readonly token?: string | undefined;
  /** Sent as JSON; a text is sent as it is. */
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** The API on a database of its own, as a test uses it. */
export interface TestApi {
  readonly url: string;
  readonly db: Database;
  call(method: "GET" | "POST" | "PATCH" | "DELETE", path: string, call?: Call): Promise<Answer>;
  /** A new account with a full-access key for each mode. */
  createAccount(account?: Partial<NewAccount>): Promise<TestAccount>;
  createKey(account: TestAccount, mode: Mode, scopes?: KeyScope[]): Promise<string>;
  /** The clock that the server reads; {@link TestApi.setTime} moves it. */
  setTime(time: Date | string | null): void;
  /** Stops the server and starts it again on the same data. */
  restart(): Promise<void>;
  /** Starts another server on the same PostgreSQL, with connections of its own, as another process would be. */
  startPeer(): Promise<TestPeer>;
  close(): Promise<void>;
}

/** Another server on the same data. */
export type TestPeer = Pick<TestApi, "url" | "db" | "call" | "close">;

/** An account of a test. */
export interface TestAccount {
  readonly id: string;
  readonly key: string;
  readonly liveKey: string;
}

/** Starts the API on a new database. */
export async function startTestApi(
  database: TestDatabase,
  options: Omit<Partial<ServerOptions>, "db" | "now" | "port"> = {},
  postgres: PostgresOptions = {},
): Promise<TestApi> {
  const { location: place, remove } = await database.create("current");
  const location = "databaseUrl" in place ? { ...place, ...postgres } : place;
  let frozen: Date | null = null;
  const now = () => frozen ?? new Date();
  let db = await openDatabase(location);
  const start = () =>
    startServer({
      logLevel: "error",
      secretKey: "only-for-tests-and-nothing-else",
      ...options,
      db,
      now,
      port: 0,
    });
  let server: RunningServer = await start();

  const mint = { newId: () => uuidv7(), randomBytes };
  const makeKey = async (accountId: string, mode: Mode, scopes?: KeyScope[]) => {
    const environmentId = await getEnvironmentId(db, accountId, mode);
    return (await createKey(db, { environmentId, mode, scopes }, { ...mint, now: now() })).key;
  };

  return {
    get url() {
      return server.url;
    },
    get db() {
      return db;
    },
    call: (method, path, call = {}) => send(server.url, method, path, call),
    createAccount: async (account = {}) => {
      const { id } = await createAccount(
        db,
        { name: "Acme", email: "books@acme.example", ...account },
        { ...mint, now: now() },
      );
      return { id, key: await makeKey(id, "test"), liveKey: await makeKey(id, "live") };
    },
    createKey: (account, mode, scopes) => makeKey(account.id, mode, scopes),
    setTime: (time) => {
      frozen = time === null ? null : new Date(time);
    },
    restart: async () => {
      await server.close();
      await db.close();
      db = await openDatabase(location);
      server = await start();
    },
    startPeer: async () => {
      const peerDb = await openDatabase(location);
      const peer = await startServer({
        logLevel: "error",
        secretKey: "only-for-tests-and-nothing-else",
        ...options,
        db: peerDb,
        now,
        port: 0,
      });
      return {
        url: peer.url,
        db: peerDb,
        call: (method, path, call = {}) => send(peer.url, method, path, call),
        close: async () => {
          await peer.close();
          await peerDb.close();
        },
      };
    },
    close: async () => {
      await server.close();
      await db.close();
      await remove();
    },
  };
}

async function send(
  origin: string,
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  call: Call,
): Promise<Answer> {
  const { token, body, headers } = call;
  const {
    statusCode,
    headers: answered,
    body: stream,
  } = await request(origin + path, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: statusCode, headers: answered, body: await stream.json() };
}

/** Creates an agent and authorizes it. */
export async function createAuthorizedAgent(
  api: TestApi,
  key: string,
  { scopes = ["mcp:invoke"], expiresIn }: { scopes?: string[]; expiresIn?: number } = {},
): Promise<{ agentId: string; token: string }> {
  const agent = await api.call("POST", "/api/v1/agents", { token: key, body: { name: "Test agent" } });
  const agentId: string = agent.body.data.id;
  const authorization = await api.call("POST", "/api/v1/mcp/authorize", {
    token: key,
    body: { agentId, scopes, ...(expiresIn === undefined ? {} : { expiresIn }) },
  });
  return { agentId, token: authorization.body.data.token };
}

/** Closes the period that runs now; answers its id. */
export async function closeCurrentPeriod(api: Pick<TestApi, "call">, key: string): Promise<string> {
  const current = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
  const { id } = current.body.data;
  const closed = await api.call("POST", `/api/v1/billing/periods/${id}/close`, { token: key });
  if (closed.status !== 200) throw new Error(`The period was not closed: ${JSON.stringify(closed.body)}`);
  return id;
}

import type { Licentric } from "@licentric/sdk";
import type { Database } from "@licentric/server";
import { type DevelopmentVariables, readVariables, writeVariables } from "../development.ts";
import { type AccountOptions, createKeyInDatabase, ensureAccount } from "../first-account.ts";

/** Seconds that the agent's token is good for: 30 days. One that has ended is replaced at the next start. */
const TOKEN_LIFETIME = 2_592_000;

/**
 * Sees to it that there are an account, a test key and an agent's token, and that the file has them: those that it has
 * are kept as long as the API takes them.
 */
export async function prepareDevelopment({
  db,
  url,
  file,
  account: { currency, timeZone },
}: {
  readonly db: Database;
  readonly url: string;
  readonly file: string;
  readonly account: AccountOptions;
}): Promise<{ accountId: string; variables: DevelopmentVariables }> {
  const { Licentric } = await import("@licentric/sdk");
  const { account } = await ensureAccount(db, { name: "My account", currency, timeZone });
  const kept = await readVariables(file);
  await using unknown = new Licentric({ apiKey: kept.LICENTRIC_API_KEY ?? null, baseUrl: url });
  const keepsKey =
    kept.LICENTRIC_API_KEY?.startsWith("lk_test_") && (await isTaken(unknown.keys.list({ limit: 1 })));
  const apiKey =
    keepsKey && kept.LICENTRIC_API_KEY
      ? kept.LICENTRIC_API_KEY
      : (await createKeyInDatabase(db, account.id, { mode: "test", name: "licentric dev" })).key;
  await using client = new Licentric({ apiKey, baseUrl: url });
  const token = kept.LICENTRIC_AGENT_TOKEN;
  const variables = {
    LICENTRIC_BASE_URL: url,
    LICENTRIC_API_KEY: apiKey,
    LICENTRIC_AGENT_TOKEN:
      token && (await isTaken(client.mcp.verify(token))) ? token : await authorizeAgent(client),
  };
  await writeVariables(file, variables);
  return { accountId: account.id, variables };
}

/** Returns false where the credential is refused for what is asked with it. */
async function isTaken(asked: PromiseLike<unknown>): Promise<boolean> {
  const { AuthenticationError, PermissionDeniedError } = await import("@licentric/sdk");
  try {
    await asked;
    return true;
  } catch (error) {
    if (error instanceof AuthenticationError || error instanceof PermissionDeniedError) return false;
    throw error;
  }
}

async function authorizeAgent(client: Licentric): Promise<string> {
  const agent = await client.agents.create({ name: "Agent of licentric dev" });
  const { token } = await client.mcp.authorize(agent.id, {
    scopes: ["mcp:invoke"],
    expiresIn: TOKEN_LIFETIME,
    name: "licentric dev",
  });
  return token.reveal();
}

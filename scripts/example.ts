import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createKeyInDatabase, ensureAccount } from "../packages/cli/src/first-account.ts";
import { Licentric } from "../packages/sdk/src/index.ts";
import { openDatabase, startServer } from "../packages/server/src/index.ts";

/**
 * `npx -y pnpm@10 example <name> [argument …]`: runs an example with all that it needs. That is the API on an embedded
 * database, which is kept (`LICENTRIC_DATA_DIR`), so that the examples share their usage; an agent with a token; and the
 * environment that tells the example of both. It writes to standard error, for a stdio server's output is the protocol.
 */
const root = fileURLToPath(new URL("..", import.meta.url));
const dataDirectory = process.env["LICENTRIC_DATA_DIR"] ?? join(root, ".licentric/examples");
const [name = "", ...args] = process.argv.slice(2);
const main = join(root, "examples", name, "src/main.ts");
if (name === "" || !existsSync(main)) {
  const names = readdirSync(join(root, "examples")).filter((each) =>
    existsSync(join(root, "examples", each, "src/main.ts")),
  );
  console.error(`Which example? One of: ${names.join(", ")}`);
  process.exit(2);
}

/** What the examples sell. */
async function setPrices(client: Licentric): Promise<void> {
  for await (const { id } of client.meters.list({ name: "api_calls" }))
    await client.meters.setPrice(id, { price: { model: "per_unit", unitPrice: "0.01" } });
  await client.meters.create({ name: "tokens", price: { model: "per_unit", unitPrice: "0.00002" } });
}

const db = await openDatabase({ dataDirectory });
const api = await startServer({ db, port: 0, logLevel: "warn" });
const { account, created } = await ensureAccount(db, { name: "Examples", currency: "usd", timeZone: "UTC" });
const { key: apiKey } = await createKeyInDatabase(db, account.id, { mode: "test" });
const client = new Licentric({ apiKey, baseUrl: api.url });
try {
  if (created) await setPrices(client);
  const agent = await client.agents.create({ name: `Agent of ${name}` });
  const { token } = await client.mcp.authorize(agent.id, { scopes: ["mcp:invoke"] });
  const environment = {
    LICENTRIC_BASE_URL: api.url,
    LICENTRIC_API_KEY: apiKey,
    LICENTRIC_AGENT_TOKEN: token.reveal(),
  };
  console.error(
    "The API runs, and an agent has a token. For programs and `licentric` commands beside the example:\n",
  );
  for (const [variable, value] of Object.entries(environment)) console.error(`  export ${variable}=${value}`);
  console.error();

  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), main, ...args], {
    env: { ...process.env, ...environment },
    stdio: "inherit",
  });
  // A terminal sends Ctrl+C to both: the example ends first, and the API when it has.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  const [code] = await once(child, "exit");
  process.exitCode = typeof code === "number" ? code : 1;
} finally {
  await client.close();
  await api.close();
  await db.close();
}

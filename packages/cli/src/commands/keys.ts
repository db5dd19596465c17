import { KEY_SCOPES, type KeyScope, Licentric, type Mode } from "@licentric/sdk";
import { Command, Option } from "commander";
import { createKeyInDatabase, ensureAccount } from "../first-account.ts";
import { type DatabaseOptions, databaseOptions } from "../options.ts";
import { openDatabaseOf } from "../run-api.ts";

interface CreateOptions extends DatabaseOptions {
  readonly mode: Mode;
  readonly name?: string;
  readonly scope?: KeyScope[];
  readonly account: string;
  readonly currency: string;
  readonly timeZone: string;
}

/** `licentric keys`: management keys. */
export function keysCommand(env: NodeJS.ProcessEnv): Command {
  const create = new Command("create")
    .description(
      "create a management key and print it, once; in the database itself, or through a running API where LICENTRIC_API_KEY is set",
    )
    .addOption(new Option("--mode <mode>", "sandbox or production").choices(["test", "live"]).default("test"))
    .option("--name <name>", "what the key is for")
    .addOption(
      new Option("--scope <scope...>", "what the key may do; everything by default").choices(KEY_SCOPES),
    )
    .option("--account <name>", "name of the account, where the database has none yet", "My account")
    .option("--currency <code>", "currency of a new account", "usd")
    .option("--time-zone <name>", "time zone of a new account's billing months", "UTC");
  for (const option of databaseOptions()) create.addOption(option);

  create.action(async (options: CreateOptions) => {
    const apiKey = env["LICENTRIC_API_KEY"];
    const key = apiKey ? await createThroughApi(options, apiKey) : await createInDatabase(options);
    process.stdout.write(`${key}\n`);
  });
  return new Command("keys").description("management keys").addCommand(create);
}

async function createThroughApi({ mode, name, scope }: CreateOptions, apiKey: string): Promise<string> {
  if (!apiKey.startsWith(`lk_${mode}_`)) {
    throw new RangeError(`LICENTRIC_API_KEY is no ${mode} key, and a key makes keys of its own mode only.`);
  }
  const client = new Licentric({ apiKey });
  try {
    const { key } = await client.keys.create({ ...(name && { name }), ...(scope && { scopes: scope }) });
    return key.reveal();
  } finally {
    await client.close();
  }
}

async function createInDatabase(options: CreateOptions): Promise<string> {
  const { mode, name, scope, currency, timeZone } = options;
  const db = await openDatabaseOf(options);
  try {
    const { account } = await ensureAccount(db, { name: options.account, currency, timeZone });
    return await createKeyInDatabase(db, account.id, {
      mode,
      ...(name && { name }),
      ...(scope && { scopes: scope }),
    });
  } finally {
    await db.close();
  }
}

import { KEY_SCOPES, type KeyScope, type ManagementKey, type Mode } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { usageError } from "../exit-codes.ts";
import {
  type AccountOptions,
  createKeyInDatabase,
  ensureAccount,
  withAccountOptions,
} from "../first-account.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { type ConfigOptions, openConfigured, withDatabaseOptions } from "../options.ts";
import { shownTime } from "../show/time.ts";
import { type ConfirmOptions, confirm, yesOption } from "../terminal/confirm.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import {
  printSecret,
  requireSecretReader,
  type SecretOptions,
  showSecretOption,
} from "../terminal/secret.ts";
import { table } from "../terminal/table.ts";

interface CreateOptions extends ConfigOptions, AccountOptions, SecretOptions {
  readonly mode: Mode;
  readonly name?: string;
  readonly scope?: KeyScope[];
  readonly account: string;
}

/** `licentric keys`: management keys. */
export function keysCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("keys")
    .addCommand(createCommand(env))
    .addCommand(listCommand(env))
    .addCommand(revokeCommand(env));
}

function createCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("create")
    .description(
      "create a management key, shown this once; through the API where LICENTRIC_API_KEY is set, else in the database itself",
    )
    .addOption(new Option("--mode <mode>", "sandbox or production").choices(["test", "live"]).default("test"))
    .option("--name <name>", "what the key is for")
    .addOption(
      new Option("--scope <scope...>", "what the key may do; everything by default").choices(KEY_SCOPES),
    )
    .addOption(showSecretOption())
    .addOption(jsonOption())
    .option("--account <name>", "name of the account, where the database has none yet", "My account");
  return withDatabaseOptions(withAccountOptions(command)).action(async (options: CreateOptions) => {
    requireSecretReader(options);
    const apiKey = env["LICENTRIC_API_KEY"];
    const made = apiKey ? await createThroughApi(options, env, apiKey) : await createInDatabase(options, env);
    if (options.json) return print(options, made, String);
    printSecret(options, made.key, `This ${options.mode} key is shown this once:`);
  });
}

function listCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("list").description(
    "list management keys, newest first, without their secrets",
  );
  return withListOptions(command).action(async (options: ListOptions) => {
    const keys = await callApi(env, "listing keys", (client, report) =>
      readList(options, report, (page) => client.keys.list(page)),
    );
    print(
      options,
      keys,
      listView("No keys.", (items) =>
        table(
          ["ID", "NAME", "ENDS IN", "SCOPES", "CREATED", "LAST USED", "EXPIRES", "REVOKED"],
          items.map((key) => [
            key.id,
            key.name,
            key.hint,
            key.scopes?.join(" ") ?? "everything",
            shownTime(key.createdAt),
            shownTime(key.lastUsedAt),
            shownTime(key.expiresAt),
            shownTime(key.revokedAt),
          ]),
        ),
      ),
    );
  });
}

function revokeCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("revoke")
    .description("refuse a management key from now on")
    .argument("<key>", "its id")
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (id: string, options: OutputOptions & ConfirmOptions) => {
      await confirm(`Refuse the key ${id} from now on?`, options);
      const revoked = await callApi(env, "revoking the key", (client) => client.keys.revoke(id));
      print(options, revoked, ({ hint }) => `Revoked the key that ends in ${hint}.\n`);
    });
}

type CreatedKey = ManagementKey & { readonly key: string };

async function createThroughApi(
  { mode, name, scope }: CreateOptions,
  env: NodeJS.ProcessEnv,
  apiKey: string,
): Promise<CreatedKey> {
  if (!apiKey.startsWith(`lk_${mode}_`)) {
    throw usageError(`LICENTRIC_API_KEY is not a ${mode} key, and a key makes keys of its own mode only.`);
  }
  const created = await callApi(env, "creating the key", (client) =>
    client.keys.create({ ...(name && { name }), ...(scope && { scopes: scope }) }),
  );
  return { ...created, key: created.key.reveal() };
}

async function createInDatabase(options: CreateOptions, env: NodeJS.ProcessEnv): Promise<CreatedKey> {
  const { mode, name, scope, currency, timeZone } = options;
  const db = await openConfigured(options, env);
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

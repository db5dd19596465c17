import { Command } from "commander";
import { callApi } from "../call-api.ts";
import { CommandError, EXIT, usageError } from "../exit-codes.ts";
import { cliMaking } from "../first-account.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { type ConfigOptions, configOf, inDatabase, withDatabaseOptions } from "../options.ts";
import { shownTime } from "../show/time.ts";
import { jsonOption, print } from "../terminal/print.ts";
import {
  printSecret,
  requireSecretReader,
  type SecretOptions,
  showSecretOption,
} from "../terminal/secret.ts";
import { table } from "../terminal/table.ts";
import { deliveriesCommand, resendCommand } from "./webhook-deliveries.ts";
import { createCommand, deleteCommand, showCommand, updateCommand } from "./webhook-endpoints.ts";

/** `licentric webhooks`: what is told of the account's events. */
export function webhooksCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("webhooks")
    .addCommand(listCommand(env))
    .addCommand(createCommand(env))
    .addCommand(showCommand(env))
    .addCommand(updateCommand(env))
    .addCommand(deleteCommand(env))
    .addCommand(deliveriesCommand(env))
    .addCommand(resendCommand(env))
    .addCommand(rotateCommand(env));
}

function listCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("list").description("list webhooks, newest first");
  return withListOptions(command).action(async (options: ListOptions) => {
    const webhooks = await callApi(env, "listing webhooks", (client, report) =>
      readList(options, report, (page) => client.webhooks.list(page)),
    );
    print(
      options,
      webhooks,
      listView("No webhooks. `licentric webhooks create <url>` makes one.", (items) =>
        table(
          ["ID", "URL", "ENABLED", "FAILING SINCE", "CREATED"],
          items.map(({ id, url, enabled, failingSince, createdAt }) => [
            id,
            url,
            enabled ? "yes" : "no",
            shownTime(failingSince ?? null),
            shownTime(createdAt),
          ]),
        ),
      ),
    );
  });
}

function rotateCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("rotate-secret")
    .description(
      "give a webhook the secret that follows from the new LICENTRIC_SECRET_KEY, in the database itself; without a webhook, list those that have an earlier one",
    )
    .argument("[webhook]", "its id")
    .addOption(showSecretOption())
    .addOption(jsonOption());
  return withDatabaseOptions(command).action(
    async (id: string | undefined, options: ConfigOptions & SecretOptions) => {
      if (id !== undefined) requireSecretReader(options);
      const { secretKey } = (await configOf(options, env)).server;
      if (secretKey === undefined)
        throw usageError("LICENTRIC_SECRET_KEY is not set: set it to the new key.");
      if (id === undefined) await printEarlier(options, env, secretKey);
      else await rotate(id, options, env, secretKey);
    },
  );
}

async function printEarlier(
  options: ConfigOptions & SecretOptions,
  env: NodeJS.ProcessEnv,
  secretKey: string,
): Promise<void> {
  const { listWebhooksOfEarlierKeys } = await import("@licentric/server");
  const webhooks = await inDatabase(options, env, (db) => listWebhooksOfEarlierKeys(db, secretKey));
  print(options, webhooks, () =>
    webhooks.length === 0
      ? "None: LICENTRIC_PREVIOUS_SECRET_KEY can be removed.\n"
      : table(
          ["ID", "MODE", "URL"],
          webhooks.map(({ id, mode, url }) => [id, mode, url]),
        ),
  );
}

async function rotate(
  id: string,
  options: ConfigOptions & SecretOptions,
  env: NodeJS.ProcessEnv,
  secretKey: string,
): Promise<void> {
  const { rotateWebhookSecret } = await import("@licentric/server");
  const rotated = await inDatabase(options, env, async (db) =>
    rotateWebhookSecret(db, id, secretKey, await cliMaking()),
  );
  if (rotated === null) throw new CommandError(`No webhook has the id "${id}".`, EXIT.notFound);
  if (options.json) return print(options, rotated, String);
  printSecret(options, rotated.secret, `The new signing secret of ${rotated.url}, shown this once:`);
}

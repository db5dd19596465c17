import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { agentIdOf, NAME_OR_ID } from "../ids.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { duration } from "../parse.ts";
import { shownStatus } from "../show/status.ts";
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

interface RotateOptions extends SecretOptions {
  readonly expiresIn?: number;
  readonly overlap?: number;
}

/** `licentric credentials`: agents' tokens, without their secrets. */
export function credentialsCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("credentials")
    .addCommand(listCommand(env))
    .addCommand(revokeCommand(env))
    .addCommand(rotateCommand(env));
}

function listCommand(env: NodeJS.ProcessEnv): Command {
  const list = new Command("list")
    .description("list an agent's tokens, newest first, without their secrets")
    .argument("<agent>", NAME_OR_ID);
  withListOptions(list).action(async (nameOrId: string, options: ListOptions) => {
    const credentials = await callApi(env, "listing tokens", async (client, report) => {
      const agentId = await agentIdOf(client, nameOrId);
      return readList(options, report, (page) => client.credentials.list(agentId, page));
    });
    print(
      options,
      credentials,
      listView("No tokens. `licentric authorize <agent>` issues one.", (items) =>
        table(
          ["ID", "NAME", "STATUS", "ENDS IN", "SCOPES", "EXPIRES", "LAST USED"],
          items.map((each) => [
            each.id,
            each.name,
            shownStatus(each.status),
            each.hint,
            each.scopes.join(" "),
            shownTime(each.expiresAt),
            shownTime(each.lastUsedAt),
          ]),
        ),
      ),
    );
  });
  return list;
}

function revokeCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("revoke")
    .description("refuse a token from now on")
    .argument("<credential>", "its id")
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (id: string, options: OutputOptions & ConfirmOptions) => {
      await confirm(`Refuse the token ${id} from now on?`, options);
      const revoked = await callApi(env, "revoking the token", (client) => client.credentials.revoke(id));
      print(options, revoked, ({ hint }) => `Revoked the token that ends in ${hint}.\n`);
    });
}

function rotateCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("rotate")
    .description("issue a new token with the same scopes, shown this once, and let the old one end")
    .argument("<credential>", "its id")
    .addOption(new Option("--expires-in <time>", "90, 15m, 1h, up to 90d").argParser(duration))
    .addOption(
      new Option("--overlap <time>", "how long the old token still works; not at all by default").argParser(
        duration,
      ),
    )
    .addOption(showSecretOption())
    .addOption(jsonOption())
    .action(async (id: string, options: RotateOptions) => {
      requireSecretReader(options);
      const { expiresIn, overlap } = options;
      const rotated = await callApi(env, "rotating the token", (client) =>
        client.credentials.rotate(id, { ...(expiresIn && { expiresIn }), ...(overlap && { overlap }) }),
      );
      const token = rotated.token.reveal();
      if (options.json) return print(options, { ...rotated, token }, String);
      printSecret(options, token, "The new token is shown this once:");
    });
}

import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { agentIdOf, NAME_OR_ID } from "../ids.ts";
import { collect, duration } from "../parse.ts";
import { requireExists } from "../require-exists.ts";
import { shownTime } from "../show/time.ts";
import { jsonOption, print } from "../terminal/print.ts";
import {
  hasSecretReader,
  printSecret,
  requireSecretReader,
  type SecretOptions,
  showSecretOption,
} from "../terminal/secret.ts";

interface AuthorizeOptions extends SecretOptions {
  readonly scope?: string[];
  readonly expiresIn?: number;
  readonly name?: string;
}

/** `licentric authorize`: issues an agent's token. */
export function authorizeCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("authorize")
    .argument("<agent>", NAME_OR_ID)
    .addOption(
      new Option("--scope <scope>", "what the token allows; may be given again (mcp:invoke)").argParser(
        collect,
      ),
    )
    .addOption(
      new Option("--expires-in <time>", "90, 15m, 1h, up to 90d; one hour where none is given").argParser(
        duration,
      ),
    )
    .option("--name <name>", "what the token is for")
    .addOption(showSecretOption())
    .addOption(jsonOption())
    .action(async (nameOrId: string, options: AuthorizeOptions) => {
      // What is wrong with the name or id is said first: nobody adds an option only to hear of it.
      if (!hasSecretReader(options)) {
        await callApi(env, "reading the agent", async (client) =>
          requireExists(client.agents.get(await agentIdOf(client, nameOrId))),
        );
      }
      requireSecretReader(options);
      const { scope: scopes = ["mcp:invoke"], expiresIn, name } = options;
      const authorization = await callApi(env, "authorizing the agent", async (client) =>
        client.mcp.authorize(await agentIdOf(client, nameOrId), {
          scopes,
          ...(expiresIn && { expiresIn }),
          ...(name && { name }),
        }),
      );
      const token = authorization.token.reveal();
      if (options.json) return print(options, { ...authorization, token }, String);
      const until = authorization.expiresAt ? ` until ${shownTime(authorization.expiresAt)}` : "";
      printSecret(options, token, `This token allows ${scopes.join(", ")}${until}. It is shown this once:`);
    });
}

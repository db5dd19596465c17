import { WEBHOOK_EVENTS, type Webhook, type WebhookUpdateParams } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { usageError } from "../exit-codes.ts";
import { shownTime } from "../show/time.ts";
import { type ConfirmOptions, confirm, yesOption } from "../terminal/confirm.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import {
  printSecret,
  requireSecretReader,
  type SecretOptions,
  showSecretOption,
} from "../terminal/secret.ts";
import { fields } from "../terminal/table.ts";

type EventType = NonNullable<WebhookUpdateParams["events"]>[number];

interface CreateOptions extends SecretOptions {
  readonly event?: EventType[];
}

interface UpdateOptions extends OutputOptions {
  readonly url?: string;
  readonly event?: EventType[];
  readonly enabled?: boolean;
}

const eventOption = (description: string) =>
  new Option("--event <type...>", description).choices(WEBHOOK_EVENTS);

/** `licentric webhooks create`: has events sent to a URL. */
export function createCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("create")
    .description("send events to a URL; the signing secret is shown this once")
    .argument("<url>", "where they are sent")
    .addOption(eventOption("which ones; all by default"))
    .addOption(showSecretOption())
    .addOption(jsonOption())
    .action(async (url: string, options: CreateOptions) => {
      requireSecretReader(options);
      const { event: events } = options;
      const webhook = await callApi(env, "creating the webhook", (client) =>
        client.webhooks.create({ url, ...(events && { events }) }),
      );
      const secret = webhook.secret.reveal();
      if (options.json) return print(options, { ...webhook, secret }, String);
      printSecret(options, secret, `The signing secret of ${webhook.id} is shown this once:`);
    });
}

/** `licentric webhooks show`: one webhook, without its secret. */
export function showCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("show")
    .description("show a webhook, without its secret")
    .argument("<webhook>", "its id")
    .addOption(jsonOption())
    .action(async (id: string, options: OutputOptions) => {
      const webhook = await callApi(env, "reading the webhook", (client) => client.webhooks.get(id));
      print(options, webhook, webhookView);
    });
}

/** `licentric webhooks update`: changes a webhook. */
export function updateCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("update")
    .description("change where a webhook's events are sent, and which")
    .argument("<webhook>", "its id")
    .option("--url <url>", "where they are sent")
    .addOption(eventOption("which ones, and no others"))
    .option("--enabled", "send them again")
    .option("--no-enabled", "send nothing until it is enabled again")
    .addOption(jsonOption())
    .action(async (id: string, options: UpdateOptions) => {
      const { url, event: events, enabled } = options;
      if (url === undefined && events === undefined && enabled === undefined) {
        throw usageError("Say what to change: --url, --event, --enabled or --no-enabled.");
      }
      const webhook = await callApi(env, "changing the webhook", (client) =>
        client.webhooks.update(id, {
          ...(url !== undefined && { url }),
          ...(events && { events }),
          ...(enabled !== undefined && { enabled }),
        }),
      );
      print(options, webhook, webhookView);
    });
}

/** `licentric webhooks delete`: removes a webhook. */
export function deleteCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("delete")
    .description("remove a webhook: nothing more is sent there")
    .argument("<webhook>", "its id")
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (id: string, options: OutputOptions & ConfirmOptions) => {
      const { url } = await callApi(env, "reading the webhook", (client) => client.webhooks.get(id));
      await confirm(`Send no more events to ${url}?`, options);
      const webhook = await callApi(env, "removing the webhook", (client) => client.webhooks.delete(id));
      print(options, webhook, (removed) => `Removed ${removed.id}.\n`);
    });
}

function webhookView(webhook: Webhook): string {
  return fields([
    ["id", webhook.id],
    ["url", webhook.url],
    ["events", webhook.events.join(" ")],
    ["enabled", webhook.enabled ? "yes" : "no"],
    ["disabled because", webhook.disabledReason ?? undefined],
    ["failing since", shownTime(webhook.failingSince ?? undefined)],
    ["created", shownTime(webhook.createdAt)],
  ]);
}

import type { WebhookDelivery } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { shownTime } from "../show/time.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { table } from "../terminal/table.ts";

interface DeliveryListOptions extends ListOptions {
  readonly status?: WebhookDelivery["status"];
}

/** `licentric webhooks deliveries`: what was sent to a webhook. */
export function deliveriesCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("deliveries")
    .description("list what was sent to a webhook and what is on its way, newest first")
    .argument("<webhook>", "its id")
    .addOption(new Option("--status <status>", "only these").choices(["pending", "delivered", "failed"]));
  return withListOptions(command).action(async (webhookId: string, options: DeliveryListOptions) => {
    const { status } = options;
    const deliveries = await callApi(env, "listing deliveries", (client, report) =>
      readList(options, report, (page) =>
        client.webhooks.listDeliveries(webhookId, { ...(status && { status }), ...page }),
      ),
    );
    print(options, deliveries, listView("Nothing was sent there.", deliveryTable));
  });
}

/** `licentric webhooks resend`: sends an event again. */
export function resendCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("resend")
    .description("send an event to a webhook again, now, whether it had arrived or not")
    .argument("<webhook>", "its id")
    .argument("<delivery>", "its id, as `licentric webhooks deliveries` lists it")
    .addOption(jsonOption())
    .action(async (webhookId: string, deliveryId: string, options: OutputOptions) => {
      const delivery = await callApi(env, "sending the event", (client) =>
        client.webhooks.resendDelivery(webhookId, deliveryId),
      );
      print(options, delivery, ({ type, id }) => `${type} ${id} is sent again.\n`);
    });
}

function deliveryTable(deliveries: readonly WebhookDelivery[]): string {
  return table(
    ["ID", "EVENT", "STATUS", "TRIES", "LAST ERROR", "NEXT", "CREATED"],
    deliveries.map(({ id, type, status, attempts, lastError, nextAttemptAt, createdAt }) => [
      id,
      type,
      status,
      String(attempts),
      lastError,
      shownTime(nextAttemptAt),
      shownTime(createdAt),
    ]),
  );
}

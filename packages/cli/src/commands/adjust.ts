import type { Adjustment } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { agentIdOf, NAME_OR_ID, payerIdOf } from "../ids.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { toUsageFilters, type UserOptions, withUserOptions } from "../narrowing.ts";
import { signedNumber } from "../parse.ts";
import { periodIdOf } from "../read-period.ts";
import { shownTime } from "../show/time.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { fields, table } from "../terminal/table.ts";

interface ReasonOptions extends OutputOptions {
  readonly reason: string;
}

interface AdjustOptions extends ReasonOptions {
  readonly meter: string;
  readonly by: number;
  readonly period?: string;
  readonly customer?: string;
}

interface AdjustmentsOptions extends ListOptions, UserOptions {
  readonly period?: string;
}

/** `licentric usage refund`: takes one event back. */
export function refundCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("refund")
    .description("take one event back, once: its quantity is taken off the next invoice, and the event stays")
    .argument("<event>", "its id; usage events --idempotency-key finds that of a receipt")
    .requiredOption("--reason <text>", "kept with the refund")
    .addOption(jsonOption())
    .action(async (event: string, options: ReasonOptions) => {
      const { reason } = options;
      const refund = await callApi(env, "refunding the event", (client) =>
        client.usage.refundEvent(event, { reason }),
      );
      print(options, refund, adjustmentView);
    });
}

/** `licentric usage adjust`: corrects usage. */
export function adjustCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("adjust")
    .description("correct an agent's usage, up or down; what it takes away beyond the usage is carried over")
    .argument("<agent>", NAME_OR_ID)
    .requiredOption("--meter <name>", "the meter")
    .addOption(
      new Option("--by <number>", "how many units: -40 takes 40 away")
        .argParser(signedNumber)
        .makeOptionMandatory(),
    )
    .requiredOption("--reason <text>", "kept with the adjustment")
    .option("--period <id>", "an open one; by default that which takes usage now, and so the next invoice")
    .option(
      "--customer <name or id>",
      "who is billed, if not whom the agent belongs to now; `none` for the account itself",
    )
    .addOption(jsonOption())
    .action(async (agent: string, options: AdjustOptions) => {
      const { meter: meterName, by: quantity, reason, period, customer } = options;
      const adjustment = await callApi(env, "adjusting usage", async (client) => {
        const agentId = await agentIdOf(client, agent);
        return client.billing.createAdjustment({
          agentId,
          meterName,
          quantity,
          reason,
          ...(customer !== undefined && { customerId: await payerIdOf(client, customer) }),
          ...(period !== undefined && { periodId: await periodIdOf(client, period) }),
        });
      });
      print(options, adjustment, adjustmentView);
    });
}

/** `licentric usage adjustments`: the corrections that were made. */
export function adjustmentsCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("adjustments")
    .description("list adjustments and refunds, newest first")
    .option(
      "--period <id>",
      "only what counts in this period; its month as 2026-11, `current` and `previous` go, too",
    );
  return withListOptions(withUserOptions(command)).action(async (options: AdjustmentsOptions) => {
    const { period } = options;
    const adjustments = await callApi(env, "listing adjustments", async (client, report) => {
      const periodId = period && (await periodIdOf(client, period));
      const narrowed = {
        ...(await toUsageFilters(client, options)),
        ...(periodId && { periodId }),
      };
      return readList(options, report, (page) => client.billing.listAdjustments({ ...narrowed, ...page }));
    });
    print(
      options,
      adjustments,
      listView("No adjustments.", (items) =>
        table(
          ["TIME", "METER", "QUANTITY", "AGENT", "REFUNDED EVENT", "REASON"],
          items.map(({ createdAt, meterName, quantity, agentId, eventId, reason }) => [
            shownTime(createdAt),
            meterName,
            quantity,
            agentId,
            eventId,
            reason,
          ]),
        ),
      ),
    );
  });
}

function adjustmentView(adjustment: Adjustment): string {
  return fields([
    ["id", adjustment.id],
    ["agent", adjustment.agentId],
    ["customer", adjustment.customerId ?? undefined],
    ["meter", adjustment.meterName],
    ["quantity", String(adjustment.quantity)],
    ["counts in", adjustment.periodId],
    ["refunds", adjustment.eventId ?? undefined],
    ["reason", adjustment.reason],
    ["created", shownTime(adjustment.createdAt)],
  ]);
}

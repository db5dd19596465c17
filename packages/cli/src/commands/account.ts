import type { Account } from "@licentric/sdk";
import { Command } from "commander";
import { callApi } from "../call-api.ts";
import { NONE, type PayerOptions, payerView, toPayerChange, withPayerChanges } from "../payer-options.ts";
import { shownTime } from "../show/time.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";

interface UpdateOptions extends OutputOptions, PayerOptions {
  readonly currency?: string;
  readonly timeZone?: string;
  readonly paymentInstructions?: string;
}

/** `licentric account`: the account itself. */
export function accountCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("account").addCommand(showCommand(env)).addCommand(updateCommand(env));
}

function showCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("show")
    .description("show the account: how it pays, its currency and time zone")
    .addOption(jsonOption())
    .action(async (options: OutputOptions) => {
      const account = await callApi(env, "reading the account", (client) => client.account.get());
      print(options, account, accountView);
    });
}

function updateCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("update").description(
    "change the account; a new currency or time zone counts from the next period on",
  );
  return withPayerChanges(command)
    .option("--currency <code>", "what prices and invoices are in, for example eur")
    .option("--time-zone <name>", "what months are in, for example Europe/Berlin")
    .option(
      "--payment-instructions <text>",
      "how invoices are paid that are issued without Stripe, as it stands on them; `none` takes it away",
    )
    .addOption(jsonOption())
    .action(async ({ currency, timeZone, paymentInstructions, ...options }: UpdateOptions) => {
      const change = toPayerChange(options, {
        ...(currency && { currency }),
        ...(timeZone && { timeZone }),
        ...(paymentInstructions && {
          paymentInstructions: paymentInstructions === NONE ? null : paymentInstructions,
        }),
      });
      const account = await callApi(env, "changing the account", (client) => client.account.update(change));
      print(options, account, accountView);
    });
}

function accountView(account: Account): string {
  return payerView(account, [
    ["currency", account.currency],
    ["time zone", account.timeZone],
    ["how to pay", account.paymentInstructions ?? undefined],
    ["created", shownTime(account.createdAt)],
  ]);
}

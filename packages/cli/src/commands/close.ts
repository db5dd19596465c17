import type { BillingPeriod } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { usageError } from "../exit-codes.ts";
import { readPeriod } from "../read-period.ts";
import { periodView, shownSpan } from "../show/period.ts";
import { type ConfirmOptions, canAsk, confirm, yesOption } from "../terminal/confirm.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";

interface CloseOptions extends OutputOptions, ConfirmOptions {
  readonly wait: boolean;
}

/** `licentric close`: fixes a period's totals. */
export function closeCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("close")
    .argument(
      "<period>",
      "its id, its month as 2026-11, or `previous` for the last one that is over; `current` ends the one that runs early, and asks",
    )
    .addOption(
      new Option("--no-wait", "do not wait for usage that the hosted service still buffers, about a minute"),
    )
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (name: string, options: CloseOptions) => {
      const period = await callApi(env, "reading the period", (client) => readPeriod(client, name));
      if (name === "current") requireAnswer(period, options);
      if (period.status !== "closed") {
        await confirm(`Close the period ${shownSpan(period)}? It takes no more usage.`, options);
      }
      const closed = await callApi(env, "closing the period", (client, report) =>
        client.billing.closePeriod(period.id, {
          waitForFlush: options.wait && {
            onProgress: ({ quietFor }) =>
              report(`waiting until all usage has arrived: none for ${Math.round(quietFor / 1_000)} s`),
          },
        }),
      );
      print(options, closed, (shown) => `${periodView(shown)}\nNext: licentric invoice create ${shown.id}\n`);
    });
}

/**
 * After a close `current` is another period: a script that repeats itself would close that one, too. So a person
 * confirms it each time, who is told which one it is.
 */
function requireAnswer(period: BillingPeriod, options: ConfirmOptions): void {
  if (!options.yes && canAsk()) return;
  throw usageError(
    "`current` is another period after each close, so only a person at a terminal can close it by that name, " +
      `without --yes. This one, ${shownSpan(period)}, by its id: licentric close ${period.id} --yes`,
  );
}

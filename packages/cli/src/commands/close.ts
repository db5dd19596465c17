import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { readPeriod } from "../read-period.ts";
import { periodView, shownSpan } from "../show/period.ts";
import { type ConfirmOptions, confirm, requireConfirmable, yesOption } from "../terminal/confirm.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";

interface CloseOptions extends OutputOptions, ConfirmOptions {
  readonly wait: boolean;
}

/** `licentric close`: fixes a period's totals. */
export function closeCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("close")
    .description("close a period and fix its totals; closing it again answers the same")
    .argument("<period>", "its id; `current` for the one that takes usage now")
    .addOption(
      new Option("--no-wait", "do not wait for usage that the hosted service still buffers, about a minute"),
    )
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (idOrCurrent: string, options: CloseOptions) => {
      requireConfirmable(options);
      const period = await callApi(env, "reading the period", (client) => readPeriod(client, idOrCurrent));
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

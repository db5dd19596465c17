import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { agentIdOf, NAME_OR_ID } from "../ids.ts";
import { keyValue, moment, wholeNumber } from "../parse.ts";
import { shownTime } from "../show/time.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";

interface RecordOptions extends OutputOptions {
  readonly meter: string;
  readonly quantity: number;
  readonly at?: string;
  readonly idempotencyKey?: string;
  readonly metadata?: Record<string, string>;
}

/** `licentric usage record`: records usage that has happened. */
export function recordCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("record")
    .description(
      "record usage that has happened; with the same --idempotency-key again, nothing is recorded twice",
    )
    .argument("<agent>", NAME_OR_ID)
    .option("--meter <name>", "the meter", "api_calls")
    .addOption(new Option("--quantity <number>", "units that were used").argParser(wholeNumber(1)).default(1))
    .addOption(new Option("--at <time>", "when it happened, in ISO 8601; now by default").argParser(moment))
    .option("--idempotency-key <text>", "what this usage is called, so that a repetition is known")
    .addOption(
      new Option("--metadata <key=value>", "kept with the event; may be given again").argParser(keyValue),
    )
    .addOption(jsonOption())
    .action(async (nameOrId: string, options: RecordOptions) => {
      const { meter: meterName, quantity, at: timestamp, idempotencyKey, metadata } = options;
      const recorded = await callApi(env, "recording usage", async (client) =>
        client.usage.record({
          agentId: await agentIdOf(client, nameOrId),
          meterName,
          quantity,
          ...(timestamp && { timestamp }),
          ...(idempotencyKey && { idempotencyKey }),
          ...(metadata && { metadata }),
        }),
      );
      print(options, recorded, ({ status, event }) => {
        const what = `${event.quantity} ${event.meterName} of ${shownTime(event.timestamp)}`;
        return status === "duplicate"
          ? `Recorded before, and not again: ${what}, as ${event.id}.\n`
          : `Recorded ${what} as ${event.id}.\n`;
      });
    });
}

import type { Meter, MeterPrice } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { usageError } from "../exit-codes.ts";
import { meterIdOf, NAME_OR_ID } from "../ids.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { moment, wholeNumber } from "../parse.ts";
import { type PriceOptions, toPrice, withPriceOptions } from "../price-options.ts";
import { shownPrice } from "../show/price.ts";
import { shownTime } from "../show/time.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { fields, table } from "../terminal/table.ts";

interface CreateOptions extends OutputOptions, PriceOptions {
  readonly displayName?: string;
  readonly unit?: string;
  readonly maxQuantityPerCall?: number;
}

interface UpdateOptions extends OutputOptions {
  readonly displayName?: string;
  readonly unit?: string;
  readonly maxQuantityPerCall?: number;
}

interface SetPriceOptions extends OutputOptions, PriceOptions {
  readonly from?: string;
}

/** `licentric meters`: what is counted, and what it costs. */
export function metersCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("meters")
    .addCommand(listCommand(env))
    .addCommand(createCommand(env))
    .addCommand(showCommand(env))
    .addCommand(updateCommand(env))
    .addCommand(priceCommand(env))
    .addCommand(pricesCommand(env));
}

function listCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("list").description("list meters, newest first, with the price in effect");
  return withListOptions(command).action(async (options: ListOptions) => {
    const meters = await callApi(env, "listing meters", (client, report) =>
      readList(options, report, (page) => client.meters.list(page)),
    );
    print(
      options,
      meters,
      listView("No meters. `licentric meters create <name>` makes one.", (items) =>
        table(
          ["NAME", "ON INVOICES", "UNIT", "PRICE", "NEXT PRICE", "MOST IN A CALL", "ID"],
          items.map(({ name, displayName, unit, price, nextPrice, maxQuantityPerCall, id }) => [
            name,
            displayName,
            unit,
            shownPrice(price),
            nextPrice && `${shownPrice(nextPrice.price)} from ${shownTime(nextPrice.billedFrom)}`,
            maxQuantityPerCall,
            id,
          ]),
        ),
      ),
    );
  });
}

const maxQuantityOption = () =>
  new Option(
    "--max-quantity-per-call <number>",
    "the most that an agent may use in one call; 1000000 by default",
  ).argParser(wholeNumber(1, 1_000_000_000));

function createCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("create")
    .description("create a meter, with its first price where one is given")
    .argument("<name>", "its name in code, for example pages")
    .option("--display-name <name>", "what an invoice line says")
    .option("--unit <unit>", "one of what is counted, for example page")
    .addOption(maxQuantityOption());
  return withPriceOptions(command)
    .addOption(jsonOption())
    .action(async (name: string, options: CreateOptions) => {
      const { displayName, unit, maxQuantityPerCall } = options;
      const price = toPrice(options);
      const meter = await callApi(env, "creating the meter", (client) =>
        client.meters.create({
          name,
          ...(displayName && { displayName }),
          ...(unit && { unit }),
          ...(price && { price }),
          ...(maxQuantityPerCall && { maxQuantityPerCall }),
        }),
      );
      print(options, meter, meterView);
    });
}

function showCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("show")
    .description("show a meter, with the price in effect and the next one")
    .argument("<meter>", NAME_OR_ID)
    .addOption(jsonOption())
    .action(async (nameOrId: string, options: OutputOptions) => {
      const meter = await callApi(env, "reading the meter", async (client) =>
        client.meters.get(await meterIdOf(client, nameOrId)),
      );
      print(options, meter, meterView);
    });
}

function updateCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("update")
    .description("change what a meter is called on invoices, or what one call may use of it")
    .argument("<meter>", NAME_OR_ID)
    .option("--display-name <name>", "what an invoice line says")
    .option("--unit <unit>", "one of what is counted, for example page")
    .addOption(maxQuantityOption())
    .addOption(jsonOption())
    .action(async (meter: string, options: UpdateOptions) => {
      const { displayName, unit, maxQuantityPerCall } = options;
      if (displayName === undefined && unit === undefined && maxQuantityPerCall === undefined) {
        throw usageError("Say what to change: --display-name, --unit or --max-quantity-per-call.");
      }
      const updated = await callApi(env, "changing the meter", async (client) =>
        client.meters.update(await meterIdOf(client, meter), {
          ...(displayName !== undefined && { displayName }),
          ...(unit !== undefined && { unit }),
          ...(maxQuantityPerCall !== undefined && { maxQuantityPerCall }),
        }),
      );
      print(options, updated, meterView);
    });
}

function priceCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("price")
    .description(
      "set a meter's price; a period has one price, the one in effect when it starts or else its first",
    )
    .argument("<meter>", NAME_OR_ID);
  return withPriceOptions(command)
    .addOption(
      new Option(
        "--from <time>",
        "when it takes effect; now by default, a period's start to correct that period",
      ).argParser(moment),
    )
    .addOption(jsonOption())
    .action(async (meter: string, options: SetPriceOptions) => {
      const price = toPrice(options);
      if (price === undefined) {
        throw usageError("Say what it costs, for example --unit-price 0.0025. --help shows other models.");
      }
      const { from: effectiveFrom } = options;
      const set = await callApi(env, "setting the price", async (client) =>
        client.meters.setPrice(await meterIdOf(client, meter), {
          price,
          ...(effectiveFrom && { effectiveFrom }),
        }),
      );
      print(
        options,
        set,
        (made) => `${shownPrice(made.price)} from ${shownTime(made.effectiveFrom)} on.\n${billing(made)}`,
      );
    });
}

function pricesCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("prices")
    .description("list a meter's prices, newest first")
    .argument("<meter>", NAME_OR_ID);
  return withListOptions(command).action(async (meter: string, options: ListOptions) => {
    const prices = await callApi(env, "listing prices", async (client, report) => {
      const id = await meterIdOf(client, meter);
      return readList(options, report, (page) => client.meters.listPrices(id, page));
    });
    print(
      options,
      prices,
      listView("No price: usage is counted and not charged.", (items) =>
        table(
          ["FROM", "BILLED FROM", "PRICE", "SET"],
          items.map((each) => [
            shownTime(each.effectiveFrom),
            shownTime(each.billedFrom),
            shownPrice(each.price),
            shownTime(each.createdAt),
          ]),
        ),
      ),
    );
  });
}

/** A whole period has one price, so what is set is not always what is billed from then on. */
function billing({ billedFrom }: MeterPrice): string {
  if (billedFrom === undefined) return "";
  return billedFrom === null
    ? "No period is billed by it: another price takes over before one begins.\n"
    : `A period has one price; this one is billed from the period that begins ${shownTime(billedFrom)}.\n`;
}

function meterView(meter: Meter): string {
  return fields([
    ["id", meter.id],
    ["name", meter.name],
    ["on invoices", meter.displayName],
    ["unit", meter.unit],
    ["price", shownPrice(meter.price)],
    ["most in a call", meter.maxQuantityPerCall],
    [
      "next",
      meter.nextPrice
        ? `${shownPrice(meter.nextPrice.price)} from ${shownTime(meter.nextPrice.billedFrom)} on`
        : undefined,
    ],
    ["created", shownTime(meter.createdAt)],
  ]);
}

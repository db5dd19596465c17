import type { Licentric, Meter, MeterPrice, Price } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { usageError } from "../exit-codes.ts";
import { customerIdOf, meterIdOf, NAME_OR_ID } from "../ids.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { moment, wholeNumber } from "../parse.ts";
import { type PriceOptions, toPrice, withPriceOptions } from "../price-options.ts";
import { requireExists } from "../require-exists.ts";
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
  readonly customer?: string;
  readonly asAccount?: true;
}

interface CustomerListOptions extends ListOptions {
  readonly customer?: string;
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
  const command = new Command("list")
    .description("list meters, newest first, with the price in effect")
    .option("--customer <name or id>", "with the prices that this customer pays");
  return withListOptions(command).action(async (options: CustomerListOptions) => {
    const meters = await callApi(env, "listing meters", async (client, report) => {
      const customer = await toCustomer(client, options);
      const listed = await readList(options, report, (page) => client.meters.list({ ...customer, ...page }));
      if (listed.data.length === 0 && customer)
        await requireExists(client.customers.get(customer.customerId));
      return listed;
    });
    print(
      options,
      meters,
      listView("No meters. `licentric meters create <name>` makes one.", (items) =>
        table(
          ["NAME", "ON INVOICES", "UNIT", "PRICE", "NEXT PRICE", "MOST IN A CALL", "ID"],
          items.map(({ name, displayName, unit, price, ownPrice, nextPrice, maxQuantityPerCall, id }) => [
            name,
            displayName,
            unit,
            ownPrice ? `${shownPrice(price)} (own)` : shownPrice(price),
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
    .argument("<meter>", NAME_OR_ID)
    .option("--customer <name or id>", "this customer's own price, which goes before everybody's")
    .option("--as-account", "with --customer: no price of its own any more, but everybody's");
  return withPriceOptions(command)
    .addOption(
      new Option(
        "--from <time>",
        "when it takes effect; now by default, a period's start to correct that period",
      ).argParser(moment),
    )
    .addOption(jsonOption())
    .action(async (meter: string, options: SetPriceOptions) => {
      const price = priceToSet(options);
      const { from: effectiveFrom } = options;
      const set = await callApi(env, "setting the price", async (client) =>
        client.meters.setPrice(await meterIdOf(client, meter), {
          price,
          ...(await toCustomer(client, options)),
          ...(effectiveFrom && { effectiveFrom }),
        }),
      );
      print(options, set, (made) => {
        const shown = shownPrice(made.price) ?? "The account's price";
        return `${shown} from ${shownTime(made.effectiveFrom)} on.\n${billing(made)}`;
      });
    });
}

/** The price that the options describe; null where a customer is to have none of its own. */
function priceToSet(options: SetPriceOptions): Price | null {
  const price = toPrice(options);
  if (options.asAccount) {
    if (options.customer === undefined) throw usageError("--as-account goes with --customer.");
    if (price !== undefined) throw usageError("Give a price or --as-account, not both.");
    return null;
  }
  if (price !== undefined) return price;
  throw usageError("Say what it costs, for example --unit-price 0.0025. --help shows other models.");
}

async function toCustomer(client: Licentric, { customer }: { readonly customer?: string }) {
  return customer === undefined ? undefined : { customerId: await customerIdOf(client, customer) };
}

function pricesCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("prices")
    .description("list a meter's prices, everybody's and customers' own, newest first")
    .argument("<meter>", NAME_OR_ID)
    .option("--customer <name or id>", "only this customer's own");
  return withListOptions(command).action(async (meter: string, options: CustomerListOptions) => {
    const prices = await callApi(env, "listing prices", async (client, report) => {
      const id = await meterIdOf(client, meter);
      const customer = await toCustomer(client, options);
      return readList(options, report, (page) => client.meters.listPrices(id, { ...customer, ...page }));
    });
    print(
      options,
      prices,
      listView(
        options.customer === undefined
          ? "No price: usage is counted and not charged."
          : "No price of its own: the customer pays the account's.",
        pricesTable,
      ),
    );
  });
}

function pricesTable(prices: readonly MeterPrice[]): string {
  return table(
    ["FROM", "BILLED FROM", "PRICE", "OF CUSTOMER", "SET"],
    prices.map((each) => [
      shownTime(each.effectiveFrom),
      shownTime(each.billedFrom),
      shownPrice(each.price) ?? "the account's price",
      each.customerId,
      shownTime(each.createdAt),
    ]),
  );
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

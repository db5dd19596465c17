import type { Price } from "@licentric/sdk";
import { type Command, InvalidArgumentError, Option } from "commander";
import { usageError } from "./exit-codes.ts";
import { wholeNumber } from "./parse.ts";

type Tier = Extract<Price, { model: "graduated" }>["tiers"][number];

/** A price, as a command is told it. */
export interface PriceOptions {
  readonly model?: Price["model"];
  readonly unitPrice?: string;
  readonly tier?: Tier[];
  readonly packageSize?: number;
  readonly packagePrice?: string;
  readonly included?: number;
  readonly allowance?: Price["allowance"];
  readonly minimum?: string;
}

/** Gives a command the options of a price. */
export function withPriceOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--model <model>", "how usage is charged (per_unit)").choices([
        "per_unit",
        "graduated",
        "volume",
        "package",
      ]),
    )
    .option("--unit-price <amount>", "per_unit: what one unit costs, for example 0.0025")
    .addOption(
      new Option(
        "--tier <upTo:unitPrice[:flatPrice]>",
        "graduated, volume: one tier; give it again for the next, the last one as rest:0.01",
      ).argParser(tier),
    )
    .addOption(new Option("--package-size <number>", "package: units in a package").argParser(wholeNumber(1)))
    .option("--package-price <amount>", "package: what a begun package costs")
    .addOption(
      new Option("--included <number>", "units free of charge in each period").argParser(wholeNumber(0)),
    )
    .addOption(
      new Option(
        "--allowance <number/day|number/period>",
        "units free of charge a day or a period, for each customer and each agent without one, for example 100/day",
      )
        .conflicts("included")
        .argParser(allowance),
    )
    .option("--minimum <amount>", "the least that a period with any usage costs");
}

/**
 * The price that the options describe; undefined where they say nothing of one.
 *
 * @throws CommandError which says what its model needs
 */
export function toPrice(options: PriceOptions): Price | undefined {
  const { unitPrice, tier: tiers, packageSize, packagePrice, included, allowance: free, minimum } = options;
  const said = [options.model, unitPrice, tiers, packageSize, packagePrice, included, free, minimum];
  if (said.every((option) => option === undefined)) return undefined;
  const model = options.model ?? "per_unit";
  const foreign = {
    per_unit: { "--tier": tiers, "--package-size": packageSize, "--package-price": packagePrice },
    graduated: { "--unit-price": unitPrice, "--package-size": packageSize, "--package-price": packagePrice },
    volume: { "--unit-price": unitPrice, "--package-size": packageSize, "--package-price": packagePrice },
    package: { "--unit-price": unitPrice, "--tier": tiers },
  }[model];
  for (const [option, value] of Object.entries(foreign)) {
    if (value !== undefined) throw usageError(`${option} does not go with --model ${model}.`);
  }
  const common = {
    ...(included !== undefined && { includedQuantity: included }),
    ...(free !== undefined && { allowance: free }),
    ...(minimum !== undefined && { minimumAmount: minimum }),
  };
  switch (model) {
    case "per_unit":
      if (unitPrice === undefined) throw usageError("A price per unit needs --unit-price.");
      return { model, unitPrice, ...common };
    case "graduated":
    case "volume":
      if (tiers === undefined) {
        throw usageError(`A ${model} price needs --tier, for example --tier 1000:0.01 --tier rest:0.005.`);
      }
      return { model, tiers, ...common };
    case "package":
      if (packageSize === undefined || packagePrice === undefined) {
        throw usageError("A price per package needs --package-size and --package-price.");
      }
      return { model, packageSize, packagePrice, ...common };
  }
}

function allowance(text: string): NonNullable<Price["allowance"]> {
  const [, quantity, every] = /^(\d+)\/(day|period)$/.exec(text) ?? [];
  if (quantity === undefined) {
    throw new InvalidArgumentError(
      "Write a number of units and how often, for example 100/day or 1000/period.",
    );
  }
  return { quantity: Number(quantity), every: every === "day" ? "day" : "period" };
}

function tier(text: string, previous: readonly Tier[] | undefined): Tier[] {
  const [, upTo, unitPrice, flatPrice] = /^(rest|\d+):([\d.]+)(?::([\d.]+))?$/.exec(text) ?? [];
  if (upTo === undefined || unitPrice === undefined) {
    throw new InvalidArgumentError("Write upTo:unitPrice, for example 1000:0.01, and rest:0.005 last.");
  }
  const read = { upTo: upTo === "rest" ? null : Number(upTo), unitPrice };
  return [...(previous ?? []), flatPrice === undefined ? read : { ...read, flatPrice }];
}

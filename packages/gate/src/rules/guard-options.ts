import type { ChargeOptions } from "@licentric/mcp";
import type { RequestGuardOptions } from "@licentric/mcp/protocol";
import { CONFIG_FILE, type GateCharge, type GateConfig } from "../config/gate-config.ts";
import { quantityAt } from "./json-pointer.ts";

type Setting = GateCharge | "free" | "hidden";
type Prices = Readonly<Record<string, ChargeOptions | false>>;

/** Returns the guard's options for what the file says. */
export function toGuardOptions(config: GateConfig, validator: object): RequestGuardOptions {
  const { tools = {}, requireToken } = config;
  return {
    validator,
    where: CONFIG_FILE,
    tools: toPrices(tools),
    ...pricesOf("prompts", config.prompts),
    ...pricesOf("resources", config.resources),
    // What is hidden is refused before anybody asks for its price: this is for prompts and resources.
    default: config.default === undefined || config.default === "hidden" ? {} : toPrice(config.default),
    ...(requireToken !== undefined && { requireToken }),
  };
}

/** Prompts and resources are as closed as tools, unless the file opens them: without names they go by default. */
function pricesOf(
  kind: "prompts" | "resources",
  setting: "free" | Readonly<Record<string, GateCharge | "free">> = {},
): { readonly [Kind in typeof kind]?: Prices } {
  return setting === "free" ? {} : { [kind]: toPrices(setting) };
}

function toPrices(settings: Readonly<Record<string, Setting>>): Prices {
  const named = Object.entries(settings).filter(([, setting]) => setting !== "hidden");
  return Object.fromEntries(named.map(([name, setting]) => [name, toPrice(setting)]));
}

function toPrice(setting: Setting): ChargeOptions | false {
  if (setting === "free" || setting === "hidden") return false;
  const { quantity, resultQuantity, ...rest } = setting;
  return {
    ...rest,
    ...(quantity !== undefined && { quantity: toQuantity(quantity) }),
    ...(resultQuantity !== undefined && {
      resultQuantity: (result: unknown) => required(quantityAt(result, resultQuantity), resultQuantity),
    }),
  };
}

function toQuantity(quantity: NonNullable<GateCharge["quantity"]>): number | ((args: unknown) => number) {
  if (typeof quantity === "number") return quantity;
  const { argument, otherwise } = quantity;
  return (args) => required(quantityAt(args, argument) ?? otherwise, argument);
}

function required(quantity: number | undefined, pointer: string): number {
  if (quantity === undefined) throw new Error(`there is nothing at ${pointer}`);
  return quantity;
}

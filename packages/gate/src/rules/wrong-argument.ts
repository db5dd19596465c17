import { isQuantity, MAX_QUANTITY } from "@licentric/mcp/protocol";
import type { GateConfig } from "../config/gate-config.ts";
import { isRecord } from "./is-record.ts";
import { quantityAt } from "./json-pointer.ts";

/**
 * Returns what is wrong with the argument that a call is billed by; undefined where nothing is, or it is billed otherwise. The
 * agent can mend that itself.
 */
export function wrongArgument(config: GateConfig, params: unknown): string | undefined {
  if (!isRecord(params) || typeof params["name"] !== "string") return undefined;
  const { tools = {}, default: otherwise } = config;
  const setting = Object.hasOwn(tools, params["name"]) ? tools[params["name"]] : otherwise;
  const quantity = typeof setting === "object" ? setting.quantity : undefined;
  if (typeof quantity !== "object") return undefined;
  const expected = `The argument ${quantity.argument} has to be a whole number from 0 to ${MAX_QUANTITY}: the call is billed by it.`;
  try {
    const found = quantityAt(params["arguments"], quantity.argument) ?? quantity.otherwise;
    if (found === undefined) return `${expected} It is missing.`;
    return isQuantity(found) ? undefined : expected;
  } catch (error) {
    return `${expected} ${error instanceof Error ? error.message : String(error)}.`;
  }
}

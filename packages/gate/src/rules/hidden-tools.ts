import type { GateConfig } from "../config/gate-config.ts";
import { isRecord } from "./is-record.ts";

/** Returns whether a tool is hidden: it is not listed, and refused as one that is not there. */
export function isHidden({ tools = {}, default: otherwise }: GateConfig, name: string): boolean {
  const setting = Object.hasOwn(tools, name) ? tools[name] : undefined;
  return setting === undefined ? otherwise === "hidden" : setting === "hidden";
}

/** Leaves hidden tools out of a result of `tools/list`; the same result where there are none. */
export function withoutHidden(config: GateConfig, result: unknown): unknown {
  if (!isRecord(result) || !Array.isArray(result["tools"])) return result;
  const listed: readonly unknown[] = result["tools"];
  const shown = listed.filter((tool) => {
    const name = isRecord(tool) ? tool["name"] : undefined;
    return typeof name !== "string" || !isHidden(config, name);
  });
  return shown.length === listed.length ? result : { ...result, tools: shown };
}

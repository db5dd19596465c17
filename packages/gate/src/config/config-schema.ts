import { z } from "zod";
import { gateConfig } from "./gate-config.ts";

/** Returns the JSON schema of the file, for editors. */
export function configSchema(): object {
  return {
    title: "licentric.gate.json",
    description: "What a gate before an MCP server charges for, and how it runs.",
    ...z.toJSONSchema(gateConfig, { target: "draft-7" }),
  };
}

import { GateConfigError, parseConfig } from "../../packages/gate/src/config/parse-config.ts";
import { programRegion } from "../frameworks/programs.ts";
import { problemsOfScript } from "./check-commands.ts";
import { problemsOfJson, problemsOfMessage } from "./check-requests.ts";
import type { Example } from "./compile-examples.ts";
import type { Block } from "./read-document.ts";

/** What a tool's result may have, where a document shows one. */
const RESULT = `import("@modelcontextprotocol/server").CallToolResult & {
  _meta: {
    "com.licentric/budget"?: import("@licentric/sdk").BudgetState;
    "com.licentric/refusal"?: import("@licentric/mcp").Refusal;
  };
}`;

/** What of a document's block is compiled: TypeScript, and a tool's result, against its type. */
export function toExamples(file: string, { language, line, text }: Block): Example[] {
  if (language === "ts") return [{ file, line, text }];
  if (language === "json" && text.includes('"content":'))
    return [{ file, line, text: `(${text}) satisfies ${RESULT};` }];
  return [];
}

/**
 * What is wrong with a block besides what compiling it finds. One that is labelled `ts PATH` shows a program of
 * `packages/mcp/compat`, whose packages are not installed here: `pnpm compat` compiles and runs it.
 */
export function problemsOfBlock({ language, text }: Block): string[] {
  const program = /^ts (\S+\.ts)$/.exec(language)?.[1];
  if (program !== undefined)
    return text === programRegion(program) ? [] : [`is not what ${program} has between its regions`];
  switch (language) {
    case "ts":
    case "text": // what a command or a program prints
      return [];
    case "json":
      return isGateConfig(text) ? problemsOfGateConfig(text) : problemsOfJson(text);
    case "sh":
      return problemsOfScript(text);
    case "http":
      return problemsOfMessage(text);
    case "":
      return ["has no label: write a fence with ts, sh, json, http or text"];
    default:
      return [
        `nothing checks ${language}: use ts, sh, json, http or text, or check it in scripts/documents/check-block.ts`,
      ];
  }
}

/** Whether a block shows a `licentric.gate.json`. */
function isGateConfig(text: string): boolean {
  return /^\{\n {2}("\$schema": "[^"]*\/licentric\.gate\.schema\.json",\n {2})?"(upstream|tools)":/.test(
    text,
  );
}

function problemsOfGateConfig(text: string): string[] {
  try {
    parseConfig(text, "licentric.gate.json");
    return [];
  } catch (error) {
    if (error instanceof GateConfigError) return error.message.split("\n");
    throw error;
  }
}

import { ERROR_STATUS } from "@licentric/contract";
import {
  type DeclarationReflection,
  type ProjectReflection,
  ReferenceType,
  ReflectionKind,
  UnionType,
} from "typedoc";
import { RefusedRequestError } from "../../packages/mcp/src/protocol/refusal-result.ts";
import { type RefusalCode, refuse, STATUS } from "../../packages/paywall/src/refusal/refusal.ts";
import { code, document, table } from "./markdown.ts";
import { expectSame, readmeTable } from "./readme-table.ts";

/**
 * The page of every error that a program can meet.
 *
 * @param project - what TypeDoc read of the packages
 * @throws Error where the contract's README has other codes or statuses than the contract
 */
export function errorsPage(project: ProjectReflection): string {
  return document(
    "# Error codes",
    "## Codes of the API",
    `What failed answers \`{ "error": "what is wrong and what to do", "code": "…", "details": {…}, "requestId": "…" }\`.
Branch on the status first and on the code second: unknown codes may come.`,
    apiCodes(),
    "## Error classes of the client",
    "Every failure of `@licentric/sdk` is a [LicentricError](sdk/classes/LicentricError.md), of one of these classes.",
    table(
      ["class", ""],
      errorClasses(project).map((each) => [
        `[${code(each.name)}](sdk/classes/${each.name}.md)`,
        summaryOf(each),
      ]),
    ),
    "## Codes of the paywall's refusals",
    `A refused call ran nothing and was charged nothing. The [refusal](mcp/interfaces/Refusal.md) is in the result's
\`_meta["com.licentric/refusal"]\`.`,
    table(
      ["code", "status", "JSON-RPC", "", "what the agent reads"],
      refusalCodes(project).map(([name, why]) => {
        const refusal = refuse(name);
        const { code: errorCode } = new RefusedRequestError(refusal);
        return [code(name), String(refusal.status), String(errorCode), why, refusal.message];
      }),
    ),
  );
}

/**
 * The table of the API's codes.
 *
 * @throws Error where the contract's README has other codes or statuses than the contract
 */
function apiCodes(): string {
  const { text, names } = readmeTable("contract", "Errors");
  expectSame("error codes", names, Object.keys(ERROR_STATUS));
  for (const [name, status] of Object.entries(ERROR_STATUS)) {
    const row = new RegExp(`^\\| \`${name}\` +\\| ${status} `, "m");
    if (!row.test(text))
      throw new Error(`error codes: the README has another status of ${name} than ${status}`);
  }
  return text;
}

function errorClasses(project: ProjectReflection): DeclarationReflection[] {
  const classes = moduleOf(project, "sdk").getChildrenByKind(ReflectionKind.Class);
  const parentOf = (name: string) =>
    classes.find((each) => each.name === name)?.extendedTypes?.find((each) => each instanceof ReferenceType)
      ?.name;
  const isError = (name: string): boolean => {
    const parent = parentOf(name);
    return parent === "LicentricError" || (parent !== undefined && isError(parent));
  };
  return classes.filter(({ name }) => isError(name));
}

/** Each code with its doc comment. */
function refusalCodes(project: ProjectReflection): [RefusalCode, string][] {
  const codes = moduleOf(project, "mcp").getChildByName("RefusalCode");
  const union = codes?.isDeclaration() ? codes.type : undefined;
  if (!(union instanceof UnionType)) throw new Error("RefusalCode is no union");
  return union.types.map((type, index) => {
    const name = type.toString().replaceAll('"', "");
    if (!isRefusalCode(name)) throw new Error(`${name} is no refusal code`);
    return [name, (union.elementSummaries?.[index] ?? []).map(({ text }) => text).join("")];
  });
}

const isRefusalCode = (name: string): name is RefusalCode => Object.hasOwn(STATUS, name);

function moduleOf(project: ProjectReflection, name: string): DeclarationReflection {
  const module = project.children?.find((each) => each.name === name);
  if (module === undefined) throw new Error(`TypeDoc read no module ${name}`);
  return module;
}

function summaryOf({ comment }: DeclarationReflection): string {
  return (comment?.summary ?? [])
    .map(({ text }) => text)
    .join("")
    .replace(/\s+/g, " ");
}

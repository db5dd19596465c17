import { getNodeValue, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import type { z } from "zod";
import { type GateConfig, gateConfig } from "./gate-config.ts";
import { offsetOf, positionAt, protoIn, repeatedIn } from "./json-positions.ts";

/** The file is wrong: its message has a line for each thing, `file:line:column: what is wrong`. */
export class GateConfigError extends Error {
  static {
    GateConfigError.prototype.name = "GateConfigError";
  }
}

/** Something that is wrong in a text, and where. */
interface Problem {
  readonly offset: number;
  readonly message: string;
}

/**
 * Reads what a file says. Comments and commas at the end of lists are allowed.
 *
 * @param text - what stands in it
 * @param file - its name, for errors
 * @throws GateConfigError which tells everything that is wrong, by line and column
 */
export function parseConfig(text: string, file: string): GateConfig {
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true, allowEmptyContent: false });
  const fail = (problems: readonly Problem[]): never => {
    const lines = problems.map(({ offset, message }) => {
      const { line, column } = positionAt(text, offset);
      return `${file}:${line}:${column}: ${message}`;
    });
    throw new GateConfigError([...new Set(lines)].join("\n"));
  };
  const [first] = errors;
  if (first !== undefined) return fail([{ offset: first.offset, message: syntaxProblem(first) }]);
  if (tree === undefined)
    return fail([{ offset: 0, message: "There is nothing in the file: {} is the least." }]);
  const repeated = repeatedIn(tree);
  if (repeated.length > 0)
    return fail(repeated.map(({ name, offset }) => ({ offset, message: `"${name}" is here twice.` })));
  const proto = protoIn(tree);
  if (proto !== undefined) return fail([{ offset: proto, message: '"__proto__" cannot be a name here.' }]);
  const parsed = gateConfig.safeParse(getNodeValue(tree));
  if (parsed.success) return parsed.data;
  return fail(parsed.error.issues.flatMap((issue) => problemsOf(issue, tree)));
}

function syntaxProblem({ error }: ParseError): string {
  const words = printParseErrorCode(error).replace(/([a-z])([A-Z])/g, "$1 $2");
  return `This is not JSON: ${words.toLowerCase()}.`;
}

function problemsOf(issue: z.core.$ZodIssue, tree: Node, above: readonly PropertyKey[] = []): Problem[] {
  const path = [...above, ...issue.path].map((key) => (typeof key === "symbol" ? String(key) : key));
  if (issue.code === "invalid_union") {
    const chosen = likeliest(issue.errors);
    if (chosen !== undefined) return chosen.flatMap((one) => problemsOf(one, tree, path));
  }
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => ({
      offset: offsetOf(tree, [...path, key]),
      message: `There is no option "${[...path, key].join(".")}".`,
    }));
  const where = path.length === 0 ? "" : `${path.join(".")}: `;
  return [{ offset: offsetOf(tree, path), message: `${where}${issue.message}` }];
}

/** The form that was meant: the one of the right type, and of those the one with the least that is wrong. */
function likeliest(forms: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | undefined {
  const isOtherType = (issues: readonly z.core.$ZodIssue[]) =>
    issues.some(
      ({ code, path }) => path.length === 0 && (code === "invalid_type" || code === "invalid_value"),
    );
  const sorted = forms
    .filter((issues) => !isOtherType(issues))
    .toSorted((one, two) => one.length - two.length);
  return sorted[0];
}

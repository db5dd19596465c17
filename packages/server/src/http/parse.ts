import type { ValidationIssue } from "@licentric/contract";
import type { z } from "zod";
import { ApiError } from "./api-error.ts";

/**
 * Checks a part of a request against its schema.
 *
 * @param name where the part itself is meant, for example a header's name.
 * @throws {ApiError} `VALIDATION_ERROR` with every issue; the message has the first.
 */
export function parse<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  name?: string,
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = toIssues(result.error, name);
  throw new ApiError("VALIDATION_ERROR", summary(issues), { issues });
}

/** A zod error in the form in which the contract lists issues. */
function toIssues(error: z.ZodError, name?: string): ValidationIssue[] {
  return error.issues.map((issue) => ({
    path: [...(name === undefined ? [] : [name]), ...issue.path].join("."),
    message: issue.message,
    code: issue.code,
  }));
}

/** One sentence for the first issue, and how many more there are. */
function summary(issues: readonly ValidationIssue[]): string {
  const [first] = issues;
  if (first === undefined) return "The request is not valid.";
  const place = first.path === "" ? "" : `${first.path}: `;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more, see details.issues)` : "";
  return `${place}${first.message}${more}`;
}

import {
  dataEnvelope,
  listEnvelope,
  type Pagination,
  type Route,
  type ValidationIssue,
} from "@licentric/contract";
import type { z } from "zod";
import { header, webHeaders } from "./answer.ts";
import { excerptOf, issuesText } from "./error-from-answer.ts";
import { ResponseValidationError } from "./errors.ts";
import type { TextAnswer } from "./transport/send.ts";

/**
 * The response of a call: the part that the hosted service promises where that is less than our server
 * returns, so that code written against the type runs against both.
 */
export type ResponseOf<R extends Route> = R extends { readonly hostedResponse: infer H extends z.ZodType }
  ? z.output<H>
  : z.output<R["response"]>;

const envelopes = new WeakMap<Route, z.ZodType>();

function envelopeOf(route: Route): z.ZodType {
  const known = envelopes.get(route);
  if (known) return known;
  const schema = route.hostedResponse ?? route.response;
  const envelope = route.list ? listEnvelope(schema) : dataEnvelope(schema);
  envelopes.set(route, envelope);
  return envelope;
}

/**
 * The data of a successful answer, checked and otherwise as it came: members that this version does not know are
 * kept, and so is a new value of an enumeration.
 *
 * @throws ResponseValidationError which names the path of what is missing or wrong
 */
export function checkData<R extends Route>(route: R, answer: TextAnswer, what: string): ResponseOf<R> {
  const value = readJson(answer, what);
  assertEnvelope<{ data: ResponseOf<R> }>(route, value, answer, what);
  return value.data;
}

/**
 * One page of a successful answer, checked as {@link checkData} does.
 *
 * @throws ResponseValidationError which names the path of what is missing or wrong
 */
export function checkList<R extends Route>(
  route: R,
  answer: TextAnswer,
  what: string,
): { data: ResponseOf<R>[]; pagination: Pagination } {
  const value = readJson(answer, what);
  assertEnvelope<{ data: ResponseOf<R>[]; pagination: Pagination }>(route, value, answer, what);
  return value;
}

function readJson(answer: TextAnswer, what: string): unknown {
  if (answer.cutOffAt !== undefined) {
    throw new ResponseValidationError(
      `${what} answered ${answer.status} with more than ${answer.cutOffAt} bytes, and was not read to its end. Check that baseUrl is the origin of a Licentric API, or raise maxResponseBytes.`,
      answerFields(answer),
    );
  }
  try {
    return JSON.parse(answer.text);
  } catch {
    // The parser's own error quotes what it read, which may hold a secret.
    const type = header(answer, "content-type") ?? "no content type";
    const excerpt = /json/.test(type) ? "" : excerptOf(answer.text);
    throw new ResponseValidationError(
      `${what} answered ${answer.status} with something that is not JSON (${type})${excerpt ? `: "${excerpt}"` : ""}. Check that baseUrl is the origin of a Licentric API.`,
      answerFields(answer),
    );
  }
}

function assertEnvelope<Envelope>(
  route: Route,
  value: unknown,
  answer: TextAnswer,
  what: string,
): asserts value is Envelope {
  const result = envelopeOf(route).safeParse(value, { reportInput: true });
  if (result.success) return;
  const issues = result.error.issues.filter((issue) => !isAddition(issue)).map(toIssue);
  if (issues.length === 0) return;
  throw new ResponseValidationError(
    `${what} answered ${answer.status}, and the answer is not what the API promises: ${issuesText(issues)}. The request itself succeeded.`,
    { ...answerFields(answer), issues },
  );
}

/**
 * Returns true where an issue is an addition that an API may make without breaking its clients: a property, a
 * value of an enumeration, or length, since the maximum length of strings and lists is a limit on requests. A
 * number too large for JavaScript stays an error.
 */
function isAddition(issue: z.core.$ZodIssue): boolean {
  if (issue.code === "unrecognized_keys") return true;
  if (issue.code === "too_big") return issue.origin === "string" || issue.origin === "array";
  return issue.code === "invalid_value" && issue.values.length > 1 && typeof issue.input === "string";
}

// zod's sentences say what was expected and of which type the value was, never the value itself.
const toIssue = (issue: z.core.$ZodIssue): ValidationIssue => ({
  path: issue.path.join("."),
  message: issue.message,
  code: issue.code,
});

const answerFields = (answer: TextAnswer) => ({
  status: answer.status,
  requestId: header(answer, "x-request-id"),
  headers: webHeaders(answer),
});

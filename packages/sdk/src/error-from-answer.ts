import {
  BudgetState,
  ErrorEnvelope,
  type ErrorEnvelope as ErrorEnvelopeData,
  redactSecrets,
  ValidationIssue,
} from "@licentric/contract";
import * as z from "zod";
import { header, webHeaders } from "./answer.ts";
import {
  AuthenticationError,
  BudgetExceededError,
  ConflictError,
  type ErrorFields,
  InternalServerError,
  LicentricError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  ValidationError,
} from "./errors.ts";
import type { TextAnswer } from "./transport/send.ts";

const Issues = z.array(ValidationIssue);

const { code, details, requestId, status } = ErrorEnvelope.shape;

/** The envelope, read so that a member of another type, null above all, costs no more than itself. */
const LenientEnvelope = ErrorEnvelope.extend({
  code: code.catch(undefined),
  details: details.catch(undefined),
  requestId: requestId.catch(undefined),
  status: status.catch(undefined),
});

/** The error of an answer that is not a success: its class by the status, its sentence by the envelope. */
export function errorFromAnswer(
  answer: TextAnswer,
  what: string,
  retryAfter: number | undefined,
): LicentricError {
  const envelope = readEnvelope(answer.text);
  const message = envelope ? redactSecrets(envelope.error) : describe(answer, what);
  return errorFor(answer.status, message, {
    answeredByApi: envelope !== undefined,
    code: envelope?.code,
    details: envelope?.details,
    requestId: envelope?.requestId ?? header(answer, "x-request-id"),
    headers: webHeaders(answer),
    retryAfter,
  });
}

/** The error that fits a status. */
export function errorFor(
  status: number,
  message: string,
  known: ErrorFields & { readonly retryAfter?: number | undefined },
): LicentricError {
  const { retryAfter, ...rest } = known;
  const fields = { ...rest, status };
  switch (status) {
    case 400:
    case 422: {
      const issues = Issues.safeParse(known.details?.["issues"]).data ?? [];
      return new ValidationError(withIssues(message, issues), { ...fields, issues });
    }
    case 401:
      return new AuthenticationError(message, fields);
    case 402:
      return new BudgetExceededError(message, {
        ...fields,
        budget: BudgetState.safeParse(known.details?.["budget"] ?? known.details).data,
      });
    case 403:
      return new PermissionDeniedError(message, fields);
    case 404:
      return new NotFoundError(message, fields);
    case 409:
      return new ConflictError(message, fields);
    case 429:
      return new RateLimitError(message, { ...fields, retryAfter });
    default:
      return status >= 500 ? new InternalServerError(message, fields) : new LicentricError(message, fields);
  }
}

/** Issues that a sentence names; the others are in the error's `issues`. */
const NAMED_ISSUES = 5;

/** Issues as a person reads them: `events.3.agentId: is missing; name: is too long`. */
export function issuesText(issues: readonly ValidationIssue[]): string {
  const named = issues.slice(0, NAMED_ISSUES).map(issueText);
  const more = issues.length - named.length;
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}

function issueText(issue: ValidationIssue): string {
  const path = Array.isArray(issue.path) ? issue.path.join(".") : issue.path;
  return path === "" ? issue.message : `${path}: ${issue.message}`;
}

function withIssues(message: string, issues: readonly ValidationIssue[]): string {
  // The hosted service may say no more than "Validation failed": what failed belongs into the sentence.
  const missing = issues.filter((issue) => !message.includes(issue.message));
  return missing.length === 0 ? message : `${message} (${issuesText(missing)})`;
}

function readEnvelope(text: string): ErrorEnvelopeData | undefined {
  try {
    // Servers sometimes repeat what they were sent: a secret among it must not come back in an error.
    return LenientEnvelope.safeParse(JSON.parse(redactSecrets(text))).data;
  } catch {
    return undefined; // a proxy's page, or nothing at all: described by the caller
  }
}

function describe(answer: TextAnswer, what: string): string {
  const location = header(answer, "location");
  if (answer.status >= 300 && answer.status < 400) {
    return `${what} was redirected (${answer.status})${location ? ` to ${withoutQuery(location)}` : ""}. The client follows no redirects, so that no key goes astray: set baseUrl to where the API is.`;
  }
  const type = header(answer, "content-type") ?? "no content type";
  const excerpt = excerptOf(answer.text);
  return `${what} answered ${answer.status} without the API's error envelope (${type})${excerpt ? `: "${excerpt}"` : ""}. Probably a proxy answered in the API's place, or baseUrl points at something else.`;
}

const withoutQuery = (url: string): string => url.replace(/[?#].*$/s, "");

/** The visible text of a page, shortened. */
export function excerptOf(text: string): string {
  const visible = text
    .slice(0, 20_000)
    .replace(/<(script|style)\b[\s\S]*?(<\/\1>|$)/gi, " ")
    .replace(/<[^>]*>?/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  return redactSecrets(visible.length > 200 ? `${visible.slice(0, 200)}…` : visible);
}

import * as z from "zod";

/**
 * Every code that our server puts into an error, with its HTTP status. The first four are documented for the
 * hosted service; the others are ours. A client branches on the status first and must survive codes that are
 * not in this table.
 */
export const ERROR_STATUS = {
  VALIDATION_ERROR: 400,
  UNAUTHORIZED: 401,
  CONFLICT: 409,
  RATE_LIMITED: 429,
  BUDGET_EXCEEDED: 402,
  FORBIDDEN: 403,
  INSUFFICIENT_SCOPE: 403,
  NOT_FOUND: 404,
  REQUEST_TIMEOUT: 408,
  IDEMPOTENCY_CONFLICT: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  UNPROCESSABLE: 422,
  HEADERS_TOO_LARGE: 431,
  INTERNAL_ERROR: 500,
  UPSTREAM_ERROR: 502,
  UNAVAILABLE: 503,
} as const;

/** A code that our server puts into an error. */
export type ErrorCode = keyof typeof ERROR_STATUS;

/** One thing that is wrong with a request: where, in words, and as a stable code. */
export const ValidationIssue = z.object({
  path: z
    .union([z.string(), z.array(z.union([z.string(), z.number()]))])
    .meta({ description: "Path of the member, for example `quantity` or `events.3.agentId`." }),
  message: z.string(),
  code: z.string().optional(),
});

/** One thing that is wrong with a request. */
export type ValidationIssue = z.infer<typeof ValidationIssue>;

/**
 * The error envelope. `status` comes only with the hosted service's older form. Nothing but `error` is required,
 * so that an answer that has less is still read.
 */
export const ErrorEnvelope = z.object({
  error: z.string().meta({ description: "What is wrong and what to do, for a person." }),
  code: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
  requestId: z.string().optional(),
  status: z.number().optional(),
});

/** The error envelope. */
export type ErrorEnvelope = z.infer<typeof ErrorEnvelope>;

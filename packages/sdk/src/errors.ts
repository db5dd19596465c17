import type { BudgetState, ValidationIssue } from "@licentric/contract";

/** The properties of an error besides its message. */
export interface ErrorFields {
  /** HTTP status; none where no answer came. */
  readonly status?: number | undefined;
  /** True where the answer had the API's error envelope; false by default. */
  readonly answeredByApi?: boolean | undefined;
  /** The API's code, for example `IDEMPOTENCY_CONFLICT`; of a connection fault Node's, for example `ECONNRESET`. */
  readonly code?: string | undefined;
  /** Details that the API adds to the error. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  /** Names the request in the server's log. */
  readonly requestId?: string | undefined;
  /** The answer's headers. */
  readonly headers?: Headers | undefined;
  /** Cause of the error. */
  readonly cause?: unknown;
}

/** Notes on an error under which key its call was sent. */
export let noteIdempotencyKey: (error: LicentricError, key: string | undefined) => void;

/**
 * The base class of every failure of this package. A failure is of a subclass where one fits, and of this
 * class itself for statuses that have none (405, 413, a redirect, …).
 *
 * No error carries a request's body, a key or a token.
 *
 * @example
 * ```ts
 * try {
 *   await client.agents.get("agt_1");
 * } catch (error) {
 *   if (error instanceof NotFoundError) report("there is no such agent");
 *   else if (error instanceof LicentricError) report(error.message, error.status, error.code, error.requestId);
 *   else throw error;
 * }
 * ```
 */
export class LicentricError extends Error {
  /** HTTP status; undefined where no answer came. */
  readonly status: number | undefined;
  /**
   * True where the API itself said this: the answer had its error envelope, `{ "error": "a sentence" }`.
   * False where something else answered in its place (a proxy's login page, a firewall), where no answer
   * came, and for what the client found wrong. The class follows the status in any case, so look at this
   * before you blame a key or a budget.
   *
   * @example
   * ```ts
   * try {
   *   await client.agents.get("agt_1");
   * } catch (error) {
   *   if (!(error instanceof AuthenticationError)) throw error;
   *   console.error(error.answeredByApi ? "The key is not valid." : `Not the API's answer: ${error.message}`);
   * }
   * ```
   */
  readonly answeredByApi: boolean;
  /** The API's code, which may be one that this version does not know; of a connection fault Node's. */
  readonly code: string | undefined;
  /** Details that the API adds to the error. */
  readonly details: Readonly<Record<string, unknown>> | undefined;
  /** Names the request in the server's log. Quote it when you report a problem. */
  readonly requestId: string | undefined;
  readonly #headers: Headers | undefined;
  #idempotencyKey: string | undefined;

  static {
    LicentricError.prototype.name = "LicentricError";
    noteIdempotencyKey = (error, key) => {
      error.#idempotencyKey = key;
    };
  }

  /**
   * @param message - what is wrong and what to do
   * @param fields - what else is known
   */
  constructor(message: string, fields: ErrorFields = {}) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.status = fields.status;
    this.answeredByApi = fields.answeredByApi ?? false;
    this.code = fields.code;
    this.details = fields.details;
    this.requestId = fields.requestId;
    this.#headers = fields.headers;
  }

  /** The answer's headers; undefined where no answer came. Not enumerable: loggers leave them out. */
  get headers(): Headers | undefined {
    return this.#headers;
  }

  /**
   * The key under which the call was sent, yours or the random one: with it in the options of the same call, asking
   * again does nothing twice. Undefined for calls that carry none.
   */
  get idempotencyKey(): string | undefined {
    return this.#idempotencyKey;
  }
}

/**
 * 401, or a credential that cannot be right and is refused before it is sent: none, malformed, or of the wrong
 * kind (then without `status`). Not retried.
 */
export class AuthenticationError extends LicentricError {
  static {
    AuthenticationError.prototype.name = "AuthenticationError";
  }
}

/**
 * 402: the budget is used up, and nothing was recorded. Comes where the budget is marked as `enforced`, or
 * `enforceBudget` was asked for.
 */
export class BudgetExceededError extends LicentricError {
  /** The budget that refused, where the server says it. */
  readonly budget: BudgetState | undefined;

  static {
    BudgetExceededError.prototype.name = "BudgetExceededError";
  }

  /**
   * @param message - what is wrong and what to do
   * @param fields - what else is known
   */
  constructor(message: string, fields: ErrorFields & { readonly budget?: BudgetState | undefined } = {}) {
    super(message, fields);
    this.budget = fields.budget;
  }
}

/** 403: the credential is good and lacks a scope. Not retried. */
export class PermissionDeniedError extends LicentricError {
  static {
    PermissionDeniedError.prototype.name = "PermissionDeniedError";
  }
}

/** 404: there is no such resource in the key's account and mode. */
export class NotFoundError extends LicentricError {
  static {
    NotFoundError.prototype.name = "NotFoundError";
  }
}

/**
 * 409: the resource is in another state (a closed period, a committed reservation), or the idempotency key was
 * used with another request. Retried only where the server sends `Retry-After` with it.
 */
export class ConflictError extends LicentricError {
  static {
    ConflictError.prototype.name = "ConflictError";
  }
}

/** 400 or 422: the request is wrong, as `issues` says member by member. Also thrown before sending. */
export class ValidationError extends LicentricError {
  /** Each fault and its place; empty where the server describes it in the message alone. */
  readonly issues: readonly ValidationIssue[];

  static {
    ValidationError.prototype.name = "ValidationError";
  }

  /**
   * @param message - what is wrong and what to do
   * @param fields - what else is known
   */
  constructor(message: string, fields: ErrorFields & { readonly issues?: readonly ValidationIssue[] } = {}) {
    super(message, fields);
    this.issues = fields.issues ?? [];
  }
}

/** 429: too many requests, and the retries are used up or the wait is longer than the deadline. */
export class RateLimitError extends LicentricError {
  /** Seconds to wait before the next request, where the server says it. */
  readonly retryAfter: number | undefined;

  static {
    RateLimitError.prototype.name = "RateLimitError";
  }

  /**
   * @param message - what is wrong and what to do
   * @param fields - what else is known
   */
  constructor(message: string, fields: ErrorFields & { readonly retryAfter?: number | undefined } = {}) {
    super(message, fields);
    this.retryAfter = fields.retryAfter;
  }
}

/** 5xx: the server, or a proxy before it, failed; the retries are used up. */
export class InternalServerError extends LicentricError {
  static {
    InternalServerError.prototype.name = "InternalServerError";
  }
}

/**
 * No complete answer came: refused, reset, cut off, not resolved. Whether the server did what was asked is
 * unknown; the same call with the error's `idempotencyKey` finds out and does nothing twice.
 *
 * @example
 * ```ts
 * try {
 *   await client.billing.createInvoice("per_1");
 * } catch (error) {
 *   if (!(error instanceof ConnectionError)) throw error;
 *   const { idempotencyKey } = error; // keep it, and later:
 *   await client.billing.createInvoice("per_1", {}, { idempotencyKey });
 * }
 * ```
 */
export class ConnectionError extends LicentricError {
  static {
    ConnectionError.prototype.name = "ConnectionError";
  }
}

/** No complete answer came in time: `timeout` for one try, `deadline` for all of them. */
export class TimeoutError extends ConnectionError {
  static {
    TimeoutError.prototype.name = "TimeoutError";
  }
}

/** The caller's `signal` ended the request; `cause` is the signal's reason. Never retried. */
export class AbortError extends LicentricError {
  static {
    AbortError.prototype.name = "AbortError";
  }
}

/**
 * The server answered a success that is not what the API promises, or one without end; the message names the path of
 * what is missing or wrong. The server did what was asked. Usually `baseUrl` points at something else.
 */
export class ResponseValidationError extends LicentricError {
  /** Each fault and its place. */
  readonly issues: readonly ValidationIssue[];

  static {
    ResponseValidationError.prototype.name = "ResponseValidationError";
  }

  /**
   * @param message - what is wrong and what to do
   * @param fields - what else is known
   */
  constructor(message: string, fields: ErrorFields & { readonly issues?: readonly ValidationIssue[] } = {}) {
    super(message, fields);
    this.issues = fields.issues ?? [];
  }
}

/** A webhook request that Licentric did not sign with this secret, or that is too old. Answer it with 400. */
export class WebhookVerificationError extends LicentricError {
  static {
    WebhookVerificationError.prototype.name = "WebhookVerificationError";
  }
}

export {
  type BudgetState,
  KEY_SCOPES,
  type KeyScope,
  type MeterTotal,
  type Mode,
  type Pagination,
  type Price,
  type ValidationIssue,
  type WebhookEvent,
} from "@licentric/contract";
export type { APIPromise, APIResponse, RateLimit } from "./api-promise.ts";
export {
  type ConstructEventOptions,
  constructEvent,
  type WebhookHeaders,
} from "./construct-event.ts";
export {
  AbortError,
  AuthenticationError,
  BudgetExceededError,
  ConflictError,
  ConnectionError,
  type ErrorFields,
  InternalServerError,
  LicentricError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  ResponseValidationError,
  TimeoutError,
  ValidationError,
  WebhookVerificationError,
} from "./errors.ts";
export { Licentric } from "./licentric.ts";
export type { ClientOptions, HeaderFields, Logger, RequestOptions } from "./options.ts";
export type { Page, PagePromise } from "./page.ts";
export type * from "./resources/agents.ts";
export type * from "./resources/audit-events.ts";
export type * from "./resources/billing.ts";
export type * from "./resources/budgets.ts";
export type * from "./resources/credentials.ts";
export type * from "./resources/customers.ts";
export type * from "./resources/keys.ts";
export type * from "./resources/mcp.ts";
export type * from "./resources/meters.ts";
export type * from "./resources/usage.ts";
export type * from "./resources/webhooks.ts";
export { AgentToken, Secret } from "./secret.ts";
export { VERSION } from "./version.ts";
export type { FlushProgress, FlushTotal, WaitForFlush } from "./wait-for-flush.ts";

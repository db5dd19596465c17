export {
  type BudgetState,
  CONSOLE_ROLES,
  type ConsoleRole,
  type Discount,
  KEY_SCOPES,
  type KeyScope,
  type MeterTotal,
  type Mode,
  type Pagination,
  type Price,
  type ValidationIssue,
  WEBHOOK_EVENTS,
  type WebhookEvent,
} from "@licentric/contract";
export type { APIResponse, RateLimit } from "./answer.ts";
export { APIPromise } from "./api-promise.ts";
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
export { Page, PagePromise } from "./page.ts";
export * from "./resources/account.ts";
export * from "./resources/agents.ts";
export * from "./resources/audit-events.ts";
export * from "./resources/billing.ts";
export * from "./resources/budgets.ts";
export * from "./resources/console.ts";
export * from "./resources/credentials.ts";
export * from "./resources/customers.ts";
export * from "./resources/keys.ts";
export * from "./resources/mcp.ts";
export * from "./resources/meters.ts";
export * from "./resources/usage.ts";
export * from "./resources/webhooks.ts";
export { AgentToken, Secret } from "./secret.ts";
export type { Fetch } from "./transport/fetch-transport.ts";
export { VERSION } from "./version.ts";
export type { FlushProgress, FlushTotal, WaitForFlush } from "./wait-for-flush.ts";

export type {
  Caller,
  CallSubject,
  ChargeableCall,
  ChargeMode,
  ChargeOptions,
  CorePaywall,
  HttpOptions,
  Links,
  PaywallEvents,
  PaywallListener,
  Receipt,
  Refusal,
  RefusalCode,
  RouteHandler,
  RunningCall,
  TokenVerifier,
  UsageJournal,
  VerifiedAuth,
  VerifierOptions,
  WrapRoute,
} from "@licentric/paywall/adapter";
export {
  type BearerAuthOptions,
  bearerToken,
  type ProtectedResourceMetadata,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
  RefusedError,
  type RequireBearerAuth,
  TOKEN_VARIABLE,
  type TokenRequest,
  type TokenSource,
} from "@licentric/paywall/adapter";
export { IDEMPOTENCY_META_KEY } from "./handler/to-call.ts";
export type { PaywallOptions } from "./options.ts";
export {
  type ArgsOf,
  createPaywall,
  type HandlerContext,
  type HandlerOptions,
  type Paywall,
  type WrapHandler,
} from "./paywall.ts";
export { BUDGET_META_KEY, RECEIPT_META_KEY } from "./protocol/outcome.ts";
export { REFUSAL_META_KEY, RefusedRequestError } from "./protocol/refusal-result.ts";
export { CHARGE_META_KEY, type ChargeInfo } from "./server/list-tools.ts";
export type { Charges, ProtectOptions, TokenMethod } from "./server/server-plan.ts";

export type {
  Caller,
  CallSubject,
  ChargeMode,
  ChargeOptions,
  JournalOptions,
  Links,
  PaywallEvents,
  PaywallListener,
  Refusal,
  RefusalCode,
  TokenVerifier,
  VerifiedAuth,
  VerifierOptions,
} from "@licentric/paywall/adapter";
export {
  type Door,
  type DoorOptions,
  type ProtectedResourceMetadata,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
  TOKEN_VARIABLE,
  type TokenRequest,
  type TokenSource,
} from "@licentric/paywall/adapter";
export {
  type ArgsOf,
  createPaywall,
  type HandlerContext,
  type HandlerOptions,
  type Paywall,
  type WrapHandler,
} from "./paywall.ts";
export { CHARGE_META_KEY, type ChargeInfo } from "./server/list-tools.ts";
export type { PaywallOptions } from "./server/mcp-options.ts";
export { BUDGET_META_KEY } from "./server/outcome.ts";
export { REFUSAL_META_KEY, RefusedError } from "./server/refusal-result.ts";
export type { Charges, ProtectOptions } from "./server/server-plan.ts";
export { IDEMPOTENCY_META_KEY } from "./server/to-call.ts";

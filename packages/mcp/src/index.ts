export type { JournalOptions } from "./api/journal-sink.ts";
export type { Caller } from "./caller.ts";
export type { ChargeMode, ChargeOptions } from "./charging/policy.ts";
export type { CallSubject, PaywallEvents, PaywallListener } from "./events.ts";
export {
  type Door,
  type DoorOptions,
  type ProtectedResourceMetadata,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
} from "./http/door.ts";
export { TOKEN_VARIABLE, type TokenRequest, type TokenSource } from "./http/token.ts";
export type { TokenVerifier, VerifiedAuth, VerifierOptions } from "./http/verifier.ts";
export {
  type ArgsOf,
  createPaywall,
  type HandlerContext,
  type HandlerOptions,
  type Paywall,
  type WrapHandler,
} from "./paywall.ts";
export type { Links, Refusal, RefusalCode } from "./refusal.ts";
export { CHARGE_META_KEY, type ChargeInfo } from "./server/list-tools.ts";
export type { PaywallOptions } from "./server/mcp-options.ts";
export { BUDGET_META_KEY } from "./server/outcome.ts";
export { REFUSAL_META_KEY, RefusedError } from "./server/refusal-result.ts";
export type { Charges, ProtectOptions } from "./server/server-plan.ts";
export { IDEMPOTENCY_META_KEY } from "./server/to-call.ts";

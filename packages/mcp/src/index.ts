export type { JournalOptions } from "./api/journal-sink.ts";
export type { Caller } from "./caller.ts";
export { IDEMPOTENCY_META_KEY } from "./charging/call.ts";
export { BUDGET_META_KEY } from "./charging/gate.ts";
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
export type { PaywallOptions } from "./paywall-options.ts";
export { type Links, REFUSAL_META_KEY, type Refusal, type RefusalCode, RefusedError } from "./refusal.ts";
export { CHARGE_META_KEY, type ChargeInfo } from "./server/list-tools.ts";
export type { Charges, ProtectOptions } from "./server/server-plan.ts";

export { IDEMPOTENCY_META_KEY } from "./call.ts";
export type { Caller } from "./caller.ts";
export {
  type Door,
  type DoorOptions,
  type ProtectedResourceMetadata,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
} from "./door.ts";
export type { CallSubject, PaywallEvents, PaywallListener } from "./events.ts";
export { BUDGET_META_KEY } from "./gate.ts";
export type { JournalOptions } from "./journal-sink.ts";
export { CHARGE_META_KEY, type ChargeInfo } from "./list-tools.ts";
export {
  type ArgsOf,
  createPaywall,
  type HandlerContext,
  type HandlerOptions,
  type Paywall,
  type WrapHandler,
} from "./paywall.ts";
export type { PaywallOptions } from "./paywall-options.ts";
export type { ChargeMode, ChargeOptions } from "./policy.ts";
export { type Links, REFUSAL_META_KEY, type Refusal, type RefusalCode, RefusedError } from "./refusal.ts";
export type { Charges, ProtectOptions } from "./server-plan.ts";
export { TOKEN_VARIABLE, type TokenRequest, type TokenSource } from "./token.ts";
export type { TokenVerifier, VerifiedAuth, VerifierOptions } from "./verifier.ts";

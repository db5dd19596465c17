// What an adapter to a protocol or a framework is built of: `@licentric/mcp` is one.

export type { AgentPrice, BudgetState } from "@licentric/sdk";
export type { Receipt } from "./billing/charge-context.ts";
export type { GatewayResponse, Recorded } from "./billing/gateway.ts";
export type { PriceList } from "./billing/price-lists.ts";
export type { VerifiedCaller } from "./billing/verification-cache.ts";
export {
  type ChargeCall,
  type Charged,
  chargeResultOf,
  completionOf,
  type RunningCall,
  receiptOf,
} from "./call/charge.ts";
export type { ChargedTarget, ChargeResult } from "./call/charged-target.ts";
export {
  buildPaywall as buildCorePaywall,
  type ChargeableCall,
  createPaywall as createCorePaywall,
  type Paywall as CorePaywall,
  partsOf,
} from "./create-paywall.ts";
export type { Call } from "./credential/call.ts";
export { agentNameOf, type Caller } from "./credential/caller.ts";
export {
  bearerToken,
  type CredentialRequest,
  findToken,
  hashToken,
  readAgentKey,
  TOKEN_VARIABLE,
  type TokenRequest,
  type TokenSource,
} from "./credential/find-credential.ts";
export type { CallSubject, PaywallEvents, PaywallListener } from "./events.ts";
export type { HttpOptions } from "./http/http-options.ts";
export type { Middleware } from "./http/middleware.ts";
export {
  type BearerAuthOptions,
  createRequireBearerAuth,
  type ProtectedResourceMetadata,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
  type RequireBearerAuth,
} from "./http/require-bearer-auth.ts";
export type { RouteHandler, WrapRoute } from "./http/route.ts";
export {
  createVerifier,
  type TokenVerifier,
  type VerifiedAuth,
  type VerifierOptions,
} from "./http/token-verifier.ts";
export type { UsageJournal } from "./journal/usage-journal.ts";
export type { FinishedRun, Outcome, Settlement } from "./modes/outcome.ts";
export { checkPaywallOptions, type PaywallOptions } from "./options.ts";
export { buildCore, createCore, type PaywallCore } from "./paywall-core.ts";
export {
  type ChargeMode,
  type ChargeOptions,
  checkWrapped,
  isOptions,
  isQuantity,
  MAX_QUANTITY,
  OPTIONS_ADVICE,
  type Policy,
  toPolicy,
} from "./pricing/charge-options.ts";
export {
  type Links,
  type Refusal,
  type RefusalCode,
  type RefusalDetails,
  refuse,
  STATUS,
} from "./refusal/refusal.ts";
export { refusalHeaders } from "./refusal/refusal-headers.ts";
export { RefusedError } from "./refusal/refused-error.ts";
export { digest, type Fingerprint, fingerprint } from "./util/digest.ts";
export { createExpiringMap } from "./util/expiring-map.ts";
export { hasFunctions, isRecord, property, stringProperty } from "./util/record.ts";
export { withTimeLimit } from "./util/time-limit.ts";
export { withResolvers } from "./util/with-resolvers.ts";

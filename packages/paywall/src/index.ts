export type { Caller } from "./billing/caller.ts";
export type { JournalOptions } from "./billing/journal-sink.ts";
export { type ChargeableCall, createPaywall, type Paywall, type RunningCall } from "./create-paywall.ts";
export { bearerToken, type TokenRequest, type TokenSource } from "./credential/token.ts";
export type { CallSubject, PaywallEvents, PaywallListener } from "./events.ts";
export type { PaywallOptions } from "./paywall-options.ts";
export type { ChargeMode, ChargeOptions } from "./pricing/charge-options.ts";
export type { Links, Refusal, RefusalCode } from "./refusal.ts";
export { RefusedError } from "./refused-error.ts";

import { Licentric } from "@licentric/sdk";
import { createBillingClient } from "./billing/billing-client.ts";
import type { Gateway } from "./billing/gateway.ts";
import { createIdentify, type Identify } from "./billing/identify.ts";
import { createJournalSink } from "./billing/journal-sink.ts";
import { createFindPriceList, type FindPriceList } from "./billing/price-lists.ts";
import { createSdkGateway } from "./billing/sdk-gateway.ts";
import { createVerificationCache } from "./billing/verification-cache.ts";
import { type Authorizer, createAuthorizer } from "./call/authorizer.ts";
import { type ChargeCall, createCharge } from "./call/charge.ts";
import { createIdempotencyCache } from "./call/idempotency-cache.ts";
import { createInFlight, type InFlight } from "./call/in-flight.ts";
import type { Call } from "./credential/call.ts";
import { createFindCallToken, type FindCallToken } from "./credential/find-credential.ts";
import { createEmitter, type Emitter, warnTerminal } from "./events.ts";
import type { JournalOwner } from "./journal/usage-journal.ts";
import { type PaywallOptions, reasonForJournal } from "./options.ts";
import { type Links, type Refusal, refuse } from "./refusal/refusal.ts";
import { createTelemetry } from "./telemetry.ts";

/** The parts of a paywall that every kind of call shares. */
export interface PaywallCore {
  /** Charges for a call. */
  readonly charge: ChargeCall;
  /** Calls that have begun and not ended. */
  readonly inFlight: InFlight;
  readonly emitter: Emitter;
  readonly links: Links;
  /** True if results are sent with a receipt. */
  readonly receipts: boolean;
  /** Finds the token that a call came with. */
  readonly findToken: FindCallToken;
  /** Says who a token belongs to where no call is billed. */
  readonly identify: Identify;
  /** Tells what a token's agent pays. */
  readonly findPriceList: FindPriceList;
  /** Delivers what is journalled, at once. */
  flush(): Promise<void>;
  /** Waits for calls in flight, delivers what is journalled, and closes the connections to the API, within `timeout` milliseconds. */
  close(timeout: number): Promise<void>;
}

/**
 * Makes the core of a paywall that asks the API.
 *
 * @throws TypeError where the options lack what others of them need
 * @throws LicentricError where `baseUrl` or `apiKey` is malformed
 */
export function createCore(options: PaywallOptions): PaywallCore {
  const apiKey = options.apiKey ?? (globalThis.process?.env?.["LICENTRIC_API_KEY"] || null);
  const client =
    options.client ??
    new Licentric({ apiKey, ...(options.baseUrl !== undefined && { baseUrl: options.baseUrl }) });
  if (options.client === undefined && options.baseUrl === undefined) announceDefault(client.baseUrl);
  const reason = reasonForJournal(options);
  if (options.client === undefined && apiKey === null && reason !== undefined) {
    throw new TypeError(
      `createPaywall: ${reason} delivers usage with a management key: set LICENTRIC_API_KEY or pass apiKey`,
    );
  }
  const gateway = createSdkGateway(client, { knownTokens: options.verification?.cacheSize ?? CACHE_SIZE });
  return buildCore(
    options,
    options.client === undefined ? gateway : { ...gateway, close: async () => undefined },
    { baseUrl: client.baseUrl, apiKey },
  );
}

let isAnnounced = false;

/** Says once in a process where calls are billed, where nothing that the owner set does: agents' tokens are sent there. */
function announceDefault(baseUrl: string): void {
  if (isAnnounced || globalThis.process?.env?.["LICENTRIC_BASE_URL"]) return;
  isAnnounced = true;
  warnTerminal(
    `billing by ${baseUrl}, as neither baseUrl nor LICENTRIC_BASE_URL says where the API is: agents' tokens are sent there. If the API is your own, set LICENTRIC_BASE_URL, for example to http://127.0.0.1:4242; if it is not, set it to ${baseUrl}`,
  );
}

/** Milliseconds for which `requireBearerAuth` trusts a token that was verified: every call behind it is verified again. */
const IDENTITY_TRUST = 60_000;

/** Tokens that are remembered at most, where the owner does not say it. */
const CACHE_SIZE = 10_000;

/**
 * Puts the core of a paywall together over any gateway.
 *
 * @param account - whose usage a journal delivers; without it none is kept
 */
export function buildCore(
  options: PaywallOptions,
  gateway: Gateway,
  account?: Pick<JournalOwner, "baseUrl" | "apiKey">,
): PaywallCore {
  const { links = {}, timeout = 5_000, token: tokenSource } = options;
  const now = () => performance.now();
  const allowOffline = options.onUnavailable === "allow";
  const background = options.metering === "background";
  const emitter = createEmitter();
  const keepsJournal = reasonForJournal(options) !== undefined;
  const journal =
    account && options.journal && keepsJournal
      ? createJournalSink(options.journal, account, gateway, emitter)
      : undefined;
  const { cacheTtl = 0, cacheSize = CACHE_SIZE } = options.verification ?? {};
  const cache = createVerificationCache({ cacheTtl, recentTtl: IDENTITY_TRUST, maxEntries: cacheSize });
  const billing = createBillingClient({
    gateway,
    emitter,
    links,
    cache,
    journal: journal?.open,
    timeout,
    now,
  });
  const authorizer = closable(
    createAuthorizer({ billing, emitter, background, allowOffline, now }),
    emitter,
    links,
  );
  const inFlight = createInFlight();
  const trace = createTelemetry(emitter);
  const kept = createIdempotencyCache(now);
  const environment = globalThis.process?.env ?? {};
  return {
    charge: createCharge({ authorizer, cache: kept, emitter, links, trace, inFlight }),
    inFlight,
    emitter,
    links,
    receipts: options.receipts ?? false,
    findToken: createFindCallToken({ tokenSource, environment, timeout, emitter, links }),
    identify: createIdentify({ gateway, emitter, cache, links, timeout, allowOffline }),
    findPriceList: createFindPriceList({ gateway, emitter, timeout, now }),
    flush: async () => journal?.flush(),
    async close(closeTimeout) {
      authorizer.close();
      const end = now() + closeTimeout;
      await inFlight.end(closeTimeout);
      await journal?.close(Math.max(0, end - now()));
      await gateway.close();
    },
  };
}

/** Makes an authorizer that refuses every call once it is closed. Calls in flight go on to their end. */
function closable(authorizer: Authorizer, emitter: Emitter, links: Links): Authorizer & { close(): void } {
  let isClosed = false;
  async function refuseAsClosed({ kind, name }: Call): Promise<Refusal> {
    const refusal = refuse("billing_unavailable", links, {
      message: "This server is shutting down and takes no more calls. Nothing was run or charged.",
    });
    emitter.emit("denied", { kind, name, refusal, agentId: undefined });
    return refusal;
  }
  return {
    authorizeCall: (call, policy) =>
      isClosed ? refuseAsClosed(call) : authorizer.authorizeCall(call, policy),
    identify: (call, policy) => (isClosed ? refuseAsClosed(call) : authorizer.identify(call, policy)),
    close() {
      isClosed = true;
    },
  };
}

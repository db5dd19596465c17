import { randomUUID } from "node:crypto";
import type { TokenHash } from "../credential/token.ts";
import type { Emitter } from "../events.ts";
import type { Journal } from "../journal/journal.ts";
import type { Line } from "../pricing/price-call.ts";
import { type Links, type RefusalCode, type RefusalDetails, refuse } from "../refusal/refusal.ts";
import { Refused } from "../refusal/refused.ts";
import { agentBillingKey, isOfEarlierCall, priceName, triesOf } from "./billing-key.ts";
import { type Conditions, conditions, type Recording, type RecordTries } from "./billing-requests.ts";
import { agentNameOf, type Caller, toCaller } from "./caller.ts";
import type { ChargeContext } from "./charge-context.ts";
import { createCredits, orPutBack } from "./credits.ts";
import type { Gateway, GatewayOptions, RefusedResponse } from "./gateway.ts";
import { reasonForOwner } from "./gateway.ts";
import { createReservations, type Reservation } from "./reservation.ts";
import { createUnserved, type Sender, type Sent } from "./unserved.ts";
import type { VerificationCache } from "./verification-cache.ts";

/** What a teller needs. */
export interface BillingClientOptions {
  readonly gateway: Gateway;
  readonly emitter: Emitter;
  readonly links: Links;
  readonly cache: VerificationCache;
  /** Where usage waits for delivery; undefined where the paywall keeps no journal. */
  readonly journal: (() => Promise<Journal>) | undefined;
  /** Milliseconds for each request, from when it is sent. */
  readonly timeout: number;
  readonly now: () => number;
}

/** Who was billed. */
export interface Metered {
  readonly caller: Caller;
  /** Whether the key that its agent has named it by was recorded before: by a try of its own, or for another call. */
  readonly isRepeated: boolean;
}

/** Asks the API who calls and has it bill them. Every method throws {@link Refused}. */
export interface BillingClient {
  refuse(code: RefusalCode, details?: RefusalDetails): Refused;
  /** Verifies a caller and records nothing; without a request where the token is trusted still. */
  verify(context: ChargeContext): Promise<Caller>;
  /** Who calls: as last known, else as the API says. Whether the token is good still is not asked. */
  identify(context: ChargeContext): Promise<Caller>;
  /**
   * Verifies a caller and bills it, in one request.
   *
   * @param known - who calls, where that was found out already
   */
  meter(context: ChargeContext, line: Line, known?: Caller): Promise<Metered>;
  reserve(context: ChargeContext, line: Line): Promise<Reservation>;
  /** Notes usage in the journal; by a request where it takes no more. */
  enqueue(context: ChargeContext, caller: Caller, line: Line): Promise<void>;
  /** Who a token stood for when it was last verified. */
  lastKnown(context: Pick<ChargeContext, "call">): Caller | undefined;
  /** Tells the owner of something to look at. */
  report(context: Pick<ChargeContext, "call">, reason: string, error: unknown, line?: Line): void;
}

/** Makes a teller. */
export function createBillingClient(options: BillingClientOptions): BillingClient {
  const { gateway, emitter, links, cache, timeout, now } = options;
  const agentOf = (tokenHash: TokenHash) => {
    const known = cache.lastKnown(tokenHash);
    return known && agentNameOf(known);
  };
  const unserved = createUnserved(agentOf, now);

  const refused = (code: RefusalCode, details?: RefusalDetails) => new Refused(refuse(code, links, details));

  const optionsFor = ({ settles }: ChargeContext, idempotencyKey: string = randomUUID()): GatewayOptions => ({
    idempotencyKey,
    deadline: timeout,
    settles,
  });

  /** The gateway knows neither the owner's links nor what the call needs. */
  function refusedBy(context: ChargeContext, response: RefusedResponse, line?: Line): Refused {
    const { refusal, unknown, cause } = response;
    const { code, retryAfter, budget } = refusal;
    if (code === "invalid_token") cache.forget(context.call.tokenHash);
    // What an agent's key is sent as names its call and its price: it has paid for what another run of it used.
    const hasRun = context.settles;
    if (code === "idempotency_conflict" && typeof context.call.agentKey === "string")
      return refused("idempotency_replay", { hasRun });
    const reason = reasonForOwner(response);
    if (reason !== undefined) report(context, reason, cause);
    const requiredScopes = code === "insufficient_scope" ? context.policy.scopes : undefined;
    const details = { retryAfter, budget, quantity: line?.quantity, requiredScopes, hasRun };
    return new Refused(refuse(code, links, details), unknown);
  }

  /** Lets a caller through that the API, or the cache, vouches for. */
  function accept(
    { call, policy, settles }: ChargeContext,
    caller: Caller,
    source: "api" | "cache",
    recorded: boolean,
  ): void {
    // A server that does not know `requiredScopes` has not looked.
    if (!policy.scopes.every((scope) => caller.scopes.includes(scope))) {
      const details = { requiredScopes: policy.scopes, hasRun: settles };
      throw new Refused(refuse("insufficient_scope", links, details), recorded);
    }
    const { accountId, agentId, budget } = caller;
    emitter.emit("verified", { kind: call.kind, name: call.name, accountId, agentId, source, budget });
  }

  async function verify(context: ChargeContext): Promise<Caller> {
    const { tokenHash, signal } = context.call;
    const trusted = cache.trusted(tokenHash);
    const known = trusted ?? (await cache.verified(tokenHash, () => ask(context), signal));
    const caller = { ...known, budget: undefined };
    accept(context, caller, trusted === undefined ? "api" : "cache", false);
    return caller;
  }

  async function ask(context: ChargeContext): Promise<Caller> {
    const response = await gateway.verify(context.token, {}, optionsFor(context));
    if ("refusal" in response) throw refusedBy(context, response);
    return toCaller(response.value);
  }

  function lastKnown({ call }: Pick<ChargeContext, "call">): Caller | undefined {
    const known = cache.lastKnown(call.tokenHash);
    return known && { ...known, budget: undefined };
  }

  const identify = async (context: ChargeContext) => lastKnown(context) ?? (await verify(context));

  /** For whom an order pays; its agent only where that has to be known to say which keys of a name are its own. */
  async function senderOf(context: ChargeContext, name: string, known?: Caller): Promise<Sender> {
    const { tokenHash } = context.call;
    const sender =
      known ?? (unserved.needsAgent(name, tokenHash) ? await identify(context) : lastKnown(context));
    return { tokenHash, agent: sender && agentNameOf(sender) };
  }

  async function meter(context: ChargeContext, line: Line, known?: Caller): Promise<Metered> {
    const own = agentBillingKey(context);
    if (own !== undefined) return meterNamed(context, line, own, await senderOf(context, own, known));
    const credit = openCredit(context, await senderOf(context, priceName(context), known));
    await credit.lookUp(context, line.quantity);
    await credit.recordDue(context, line, conditions(context.policy), true);
    const caller = credit.caller() ?? known ?? (await orPutBack(credit, verify(context)));
    credit.spend(context, caller, line);
    return { caller, isRepeated: false };
  }

  /** Bills a call under the key that its agent has named it by. */
  async function meterNamed(context: ChargeContext, line: Line, own: string, from: Sender): Promise<Metered> {
    const left = unserved.take(own, from);
    const at = left?.sent.at ?? now();
    try {
      const tries = { key: own, at, until: left?.sent.until };
      const { caller, duplicate, wasRecorded } = await record(
        context,
        line,
        tries,
        conditions(context.policy),
      );
      if (wasRecorded) left?.confirm();
      metered(context, caller, line, own, { duplicate, pending: false });
      return { caller, isRepeated: duplicate };
    } catch (error) {
      const isLost = error instanceof Refused && (error.mayBeRecorded || left !== undefined);
      const sent = { key: own, at, until: now(), quantities: [line.quantity], state: "recording" } as const;
      if (isLost) unserved.put(own, sent, from);
      throw error;
    }
  }

  async function record(
    context: ChargeContext,
    line: Line,
    { key, at, until }: RecordTries,
    asked: Conditions,
  ): Promise<Recording> {
    const { tokenHash } = context.call;
    const askedAt = Date.now();
    const response = await gateway.verify(context.token, { ...line, ...asked }, optionsFor(context, key));
    if ("refusal" in response) throw refusedBy(context, response, line);
    const caller = toCaller(response.value);
    cache.remember(tokenHash, caller, askedAt);
    accept(context, caller, "api", true);
    const { event } = response.value;
    const tries = triesOf(at, response.retried ? now() : until, now());
    if (agentBillingKey(context) !== undefined && isOfEarlierCall(event, tries))
      throw refused("idempotency_replay", { hasRun: context.settles });
    const duplicate = event?.duplicate === true;
    return { caller, duplicate, wasRecorded: duplicate && !response.retried };
  }

  const openCredit = createCredits({
    gateway,
    unserved,
    now,
    parts: { refusedBy, optionsFor, record, metered },
  });
  const { reserve } = createReservations({
    gateway,
    unserved,
    now,
    openCredit,
    senderOf,
    parts: { refused, refusedBy, optionsFor, accept, verify, record, metered, report, cache },
  });

  async function enqueue(context: ChargeContext, caller: Caller, line: Line): Promise<void> {
    const { quantity } = line;
    const name = priceName(context);
    const sender = { tokenHash: context.call.tokenHash, agent: agentNameOf(caller) };
    const at = now();
    // The journal cannot be told that another quantity is recorded.
    const isSame = ({ state, quantities }: Sent) =>
      state === "recording" && quantities.every((tried) => tried === quantity);
    const sent: Sent = unserved.take(name, sender, isSame)?.sent ?? {
      key: randomUUID(),
      at,
      until: at,
      quantities: [quantity],
      state: "recording",
    };
    const idempotencyKey = sent.key;
    try {
      if (options.journal === undefined) throw new TypeError("this paywall keeps no journal");
      const journal = await options.journal();
      await journal.append({
        idempotencyKey,
        timestamp: new Date().toISOString(),
        agentId: caller.agentId,
        ...line,
      });
    } catch (error) {
      report(context, "usage could not be journalled; it is recorded by a request instead", error, line);
      unserved.put(name, sent, sender);
      await meter(context, line, caller);
      return;
    }
    metered(context, caller, line, idempotencyKey, { duplicate: false, pending: true });
  }

  function metered(
    { call }: ChargeContext,
    { agentId }: Caller,
    line: Line,
    idempotencyKey: string,
    how: { duplicate: boolean; pending: boolean },
  ): void {
    emitter.emit("metered", { kind: call.kind, name: call.name, agentId, ...line, idempotencyKey, ...how });
  }

  function report({ call }: Pick<ChargeContext, "call">, reason: string, error: unknown, line?: Line): void {
    const agentId = cache.lastKnown(call.tokenHash)?.agentId;
    emitter.emit("failed", {
      reason,
      error,
      kind: call.kind,
      name: call.name,
      ...line,
      ...(agentId !== undefined && { agentId }),
    });
  }

  return {
    refuse: refused,
    verify,
    identify,
    meter,
    reserve,
    enqueue,
    lastKnown,
    report,
  };
}

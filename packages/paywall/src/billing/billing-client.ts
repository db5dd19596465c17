import { randomUUID } from "node:crypto";
import type { TokenHash } from "../credential/token.ts";
import type { Emitter } from "../events.ts";
import type { Journal } from "../journal/journal.ts";
import type { Bill } from "../pricing/price-call.ts";
import { type Links, type RefusalCode, type RefusalDetails, refuse } from "../refusal/refusal.ts";
import { Refused } from "../refusal/refused.ts";
import { agentBillingKey, isOfEarlierCall, priceName, triesOf } from "./billing-key.ts";
import { type Conditions, conditions, type Recording, type RecordTries } from "./billing-requests.ts";
import { agentNameOf, type Caller, toCaller } from "./caller.ts";
import type { Order } from "./charge-context.ts";
import { createCredits, orPutBack } from "./credits.ts";
import type { Gateway, GatewayOptions, RefusedAnswer } from "./gateway.ts";
import { reasonForOwner } from "./gateway.ts";
import { createHolds, type Hold } from "./reservation.ts";
import { createUnserved, type Sender, type Sent } from "./unserved.ts";
import type { VerificationCache } from "./verification-cache.ts";

/** What a teller needs. */
export interface TellerOptions {
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
export interface Teller {
  refuse(code: RefusalCode, details?: RefusalDetails): Refused;
  /** Verifies a caller and records nothing; without a request where the token is trusted still. */
  verify(order: Order): Promise<Caller>;
  /** Who calls: as last known, else as the API says. Whether the token is good still is not asked. */
  identify(order: Order): Promise<Caller>;
  /**
   * Verifies a caller and bills it, in one request.
   *
   * @param known - who calls, where that was found out already
   */
  meter(order: Order, bill: Bill, known?: Caller): Promise<Metered>;
  hold(order: Order, bill: Bill): Promise<Hold>;
  /** Notes usage in the journal; by a request where it takes no more. */
  note(order: Order, caller: Caller, bill: Bill): Promise<void>;
  /** Who a token stood for when it was last verified. */
  lastKnown(order: Pick<Order, "call">): Caller | undefined;
  /** Tells the owner of something to look at. */
  report(order: Pick<Order, "call">, reason: string, error: unknown, bill?: Bill): void;
}

/** Makes a teller. */
export function createTeller(options: TellerOptions): Teller {
  const { gateway, emitter, links, cache, timeout, now } = options;
  const agentOf = (tokenHash: TokenHash) => {
    const known = cache.lastKnown(tokenHash);
    return known && agentNameOf(known);
  };
  const unserved = createUnserved(agentOf, now);

  const refused = (code: RefusalCode, details?: RefusalDetails) => new Refused(refuse(code, links, details));

  const optionsFor = ({ settles }: Order, idempotencyKey: string = randomUUID()): GatewayOptions => ({
    idempotencyKey,
    deadline: timeout,
    settles,
  });

  /** The gateway knows neither the owner's links nor what the call needs. */
  function refusedBy(order: Order, answer: RefusedAnswer, bill?: Bill): Refused {
    const { refusal, unknown, cause } = answer;
    const { code, retryAfter, budget } = refusal;
    if (code === "invalid_token") cache.forget(order.call.tokenHash);
    // What an agent's key is sent as names its call and its price: it has paid for what another run of it used.
    const hasRun = order.settles;
    if (code === "idempotency_conflict" && typeof order.call.agentKey === "string")
      return refused("idempotency_replay", { hasRun });
    const reason = reasonForOwner(answer);
    if (reason !== undefined) report(order, reason, cause);
    const requiredScopes = code === "insufficient_scope" ? order.policy.scopes : undefined;
    const details = { retryAfter, budget, quantity: bill?.quantity, requiredScopes, hasRun };
    return new Refused(refuse(code, links, details), unknown);
  }

  /** Lets a caller through that the API, or the cache, vouches for. */
  function accept(
    { call, policy, settles }: Order,
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

  async function verify(order: Order): Promise<Caller> {
    const { tokenHash, signal } = order.call;
    const trusted = cache.trusted(tokenHash);
    const known = trusted ?? (await cache.verified(tokenHash, () => ask(order), signal));
    const caller = { ...known, budget: undefined };
    accept(order, caller, trusted === undefined ? "api" : "cache", false);
    return caller;
  }

  async function ask(order: Order): Promise<Caller> {
    const answer = await gateway.verify(order.token, {}, optionsFor(order));
    if ("refusal" in answer) throw refusedBy(order, answer);
    return toCaller(answer.value);
  }

  function lastKnown({ call }: Pick<Order, "call">): Caller | undefined {
    const known = cache.lastKnown(call.tokenHash);
    return known && { ...known, budget: undefined };
  }

  const identify = async (order: Order) => lastKnown(order) ?? (await verify(order));

  /** For whom an order pays; its agent only where that has to be known to say which keys of a name are its own. */
  async function senderOf(order: Order, name: string, known?: Caller): Promise<Sender> {
    const { tokenHash } = order.call;
    const sender = known ?? (unserved.needsAgent(name, tokenHash) ? await identify(order) : lastKnown(order));
    return { tokenHash, agent: sender && agentNameOf(sender) };
  }

  async function meter(order: Order, bill: Bill, known?: Caller): Promise<Metered> {
    const own = agentBillingKey(order);
    if (own !== undefined) return meterNamed(order, bill, own, await senderOf(order, own, known));
    const credit = openCredit(order, await senderOf(order, priceName(order), known));
    await credit.lookUp(order, bill.quantity);
    await credit.bill(order, bill, conditions(order.policy), true);
    const caller = credit.caller() ?? known ?? (await orPutBack(credit, verify(order)));
    credit.spend(order, caller, bill);
    return { caller, isRepeated: false };
  }

  /** Bills a call under the key that its agent has named it by. */
  async function meterNamed(order: Order, bill: Bill, own: string, from: Sender): Promise<Metered> {
    const left = unserved.take(own, from);
    const at = left?.sent.at ?? now();
    try {
      const tries = { key: own, at, until: left?.sent.until };
      const { caller, duplicate, wasRecorded } = await record(order, bill, tries, conditions(order.policy));
      if (wasRecorded) left?.confirm();
      metered(order, caller, bill, own, { duplicate, pending: false });
      return { caller, isRepeated: duplicate };
    } catch (error) {
      const isLost = error instanceof Refused && (error.mayBeRecorded || left !== undefined);
      const sent = { key: own, at, until: now(), quantities: [bill.quantity], state: "recording" } as const;
      if (isLost) unserved.put(own, sent, from);
      throw error;
    }
  }

  async function record(
    order: Order,
    bill: Bill,
    { key, at, until }: RecordTries,
    asked: Conditions,
  ): Promise<Recording> {
    const { tokenHash } = order.call;
    const askedAt = Date.now();
    const answer = await gateway.verify(order.token, { ...bill, ...asked }, optionsFor(order, key));
    if ("refusal" in answer) throw refusedBy(order, answer, bill);
    const caller = toCaller(answer.value);
    cache.remember(tokenHash, caller, askedAt);
    accept(order, caller, "api", true);
    const { event } = answer.value;
    const tries = triesOf(at, answer.retried ? now() : until, now());
    if (agentBillingKey(order) !== undefined && isOfEarlierCall(event, tries))
      throw refused("idempotency_replay", { hasRun: order.settles });
    const duplicate = event?.duplicate === true;
    return { caller, duplicate, wasRecorded: duplicate && !answer.retried };
  }

  const openCredit = createCredits({
    gateway,
    unserved,
    now,
    parts: { refusedBy, optionsFor, record, metered },
  });
  const { hold } = createHolds({
    gateway,
    unserved,
    now,
    openCredit,
    senderOf,
    parts: { refused, refusedBy, optionsFor, accept, verify, record, metered, report, cache },
  });

  async function note(order: Order, caller: Caller, bill: Bill): Promise<void> {
    const { quantity } = bill;
    const name = priceName(order);
    const sender = { tokenHash: order.call.tokenHash, agent: agentNameOf(caller) };
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
        ...bill,
      });
    } catch (error) {
      report(order, "usage could not be journalled; it is recorded by a request instead", error, bill);
      unserved.put(name, sent, sender);
      await meter(order, bill, caller);
      return;
    }
    metered(order, caller, bill, idempotencyKey, { duplicate: false, pending: true });
  }

  function metered(
    { call }: Order,
    { agentId }: Caller,
    bill: Bill,
    idempotencyKey: string,
    how: { duplicate: boolean; pending: boolean },
  ): void {
    emitter.emit("metered", { kind: call.kind, name: call.name, agentId, ...bill, idempotencyKey, ...how });
  }

  function report({ call }: Pick<Order, "call">, reason: string, error: unknown, bill?: Bill): void {
    const agentId = cache.lastKnown(call.tokenHash)?.agentId;
    emitter.emit("failed", {
      reason,
      error,
      kind: call.kind,
      name: call.name,
      ...bill,
      ...(agentId !== undefined && { agentId }),
    });
  }

  return {
    refuse: refused,
    verify,
    identify,
    meter,
    hold,
    note,
    lastKnown,
    report,
  };
}

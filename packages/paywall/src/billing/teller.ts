import { randomUUID } from "node:crypto";
import type { Emitter } from "../events.ts";
import type { Journal } from "../journal/journal.ts";
import type { Policy } from "../pricing/charge-options.ts";
import type { Bill } from "../pricing/price-call.ts";
import { type Links, type RefusalCode, type RefusalDetails, refuse } from "../refusal.ts";
import { Refused } from "../refused.ts";
import { agentBillingKey, isOfEarlierCall, priceName, type Tries } from "./billing-key.ts";
import { agentNameOf, type Caller, toCaller } from "./caller.ts";
import type { Gateway, GatewayOptions, MeterRequest, RefusedAnswer } from "./gateway.ts";
import { reasonForOwner } from "./gateway.ts";
import type { Order } from "./order.ts";
import { createUnserved } from "./unserved.ts";
import type { VerificationCache } from "./verification-cache.ts";

/** Usage that is held. */
export interface Hold {
  readonly caller: Caller;
  /** Bills a part of it. */
  commit(order: Order, quantity: number): Promise<void>;
  /** Gives it back. */
  release(order: Order): Promise<void>;
}

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
  meter(order: Order, bill: Bill, known?: Caller): Promise<Caller>;
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
  const unserved = createUnserved((tokenHash) => {
    const known = cache.lastKnown(tokenHash);
    return known && agentNameOf(known);
  }, now);

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
    if (code === "idempotency_conflict" && typeof order.call.agentKey === "string")
      return refused("idempotency_replay");
    const reason = reasonForOwner(answer);
    if (reason !== undefined) report(order, reason, cause);
    const requiredScopes = code === "insufficient_scope" ? order.policy.scopes : undefined;
    const details = { retryAfter, budget, quantity: bill?.quantity, requiredScopes };
    return new Refused(refuse(code, links, details), unknown);
  }

  /** Lets a caller through that the API, or the cache, vouches for. */
  function accept({ call, policy }: Order, caller: Caller, source: "api" | "cache", recorded: boolean): void {
    // A server that does not know `requiredScopes` has not looked.
    if (!policy.scopes.every((scope) => caller.scopes.includes(scope))) {
      throw new Refused(refuse("insufficient_scope", links, { requiredScopes: policy.scopes }), recorded);
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

  async function meter(order: Order, bill: Bill, known?: Caller): Promise<Caller> {
    const { tokenHash } = order.call;
    const own = agentBillingKey(order);
    const name = own ?? priceName(order, bill);
    const sender = known ?? (unserved.needsAgent(name, tokenHash) ? await identify(order) : lastKnown(order));
    const from = { tokenHash, agent: sender && agentNameOf(sender) };
    const left = unserved.take(name, from);
    const key = left?.key ?? own ?? randomUUID();
    const at = left?.at ?? now();
    try {
      const askedAt = Date.now();
      const request: MeterRequest = { ...bill, ...conditions(order.policy) };
      const answer = await gateway.verify(order.token, request, optionsFor(order, key));
      if ("refusal" in answer) throw refusedBy(order, answer, bill);
      const caller = toCaller(answer.value);
      cache.remember(tokenHash, caller, askedAt);
      accept(order, caller, "api", true);
      const { event } = answer.value;
      const last = answer.retried ? now() : left?.until;
      if (own !== undefined && isOfEarlierCall(event, triesOf(at, last))) throw refused("idempotency_replay");
      const duplicate = event?.duplicate === true;
      if (duplicate) left?.confirm();
      metered(order, caller, bill, key, { duplicate, pending: false });
      return caller;
    } catch (error) {
      if (error instanceof Refused && (error.mayBeRecorded || left !== undefined))
        unserved.put(name, { key, at, until: now() }, from);
      throw error;
    }
  }

  /** Tries from one time to another; undefined where there was none before. */
  const triesOf = (first: number, last: number | undefined): Tries | undefined =>
    last === undefined ? undefined : { first: now() - first, last: now() - last };

  async function hold(order: Order, bill: Bill): Promise<Hold> {
    const { call, policy, token } = order;
    const own = agentBillingKey(order);
    const expiry = policy.holdFor === undefined ? {} : { expiresIn: policy.holdFor };
    const key = own ?? randomUUID();
    const reserve = (within: Order) =>
      gateway.reserve(token, { ...bill, ...conditions(policy), ...expiry }, optionsFor(within, key));
    const askedAt = Date.now();
    const answer = await reserve(order);
    if ("refusal" in answer) throw refusedBy(order, answer, bill);
    const { reservation, ...verified } = answer.value;
    const caller = toCaller(verified);
    cache.remember(call.tokenHash, caller, askedAt);
    if (reservation.status === "committed") throw refused("idempotency_replay");
    if (reservation.status !== "held") {
      throw refused("idempotency_replay", {
        message:
          "This idempotency key was used for a call that failed and was not charged. To run the call again, send a new key or none. Nothing was run or charged.",
      });
    }
    const release = async (later: Order) => {
      const released = await gateway.release(token, reservation.id, optionsFor(later));
      // Nobody pays for an abandoned hold: it lapses, and only counts against the budget until then. One that is in
      // conflict holds nothing any more.
      if ("refusal" in released && released.refusal.code !== "idempotency_conflict")
        report(order, "a hold could not be released and will lapse by itself", released.cause, bill);
    };
    try {
      accept(order, caller, "api", false);
    } catch (error) {
      await release(order);
      throw error;
    }
    let sentAt: number | undefined;
    let givenUpAt: number | undefined;
    return {
      caller,
      release,
      async commit(later, quantity) {
        const used = { ...bill, quantity };
        sentAt ??= now();
        const committed = await gateway.commit(token, reservation.id, quantity, optionsFor(later));
        if ("refusal" in committed) {
          givenUpAt = now();
          report(
            order,
            "a hold could not be committed, so the result was not delivered",
            committed.cause,
            used,
          );
          throw refusedBy(later, committed);
        }
        if (committed.value.lapsed) {
          // Under an agent's key another process may have committed it, with what its own handler used.
          if (own !== undefined) {
            const present = await reserve(later);
            if ("refusal" in present) throw refusedBy(later, present, used);
            if (present.value.reservation.status === "committed") throw refused("idempotency_replay");
          }
          // The handler took longer than the hold, and the usage is real all the same.
          await meter(later, used, caller);
          return;
        }
        const { event } = committed.value;
        const last = committed.retried ? now() : givenUpAt;
        if (own !== undefined && isOfEarlierCall(event, triesOf(sentAt, last)))
          throw refused("idempotency_replay");
        metered(order, caller, used, reservation.id, {
          duplicate: event?.duplicate === true,
          pending: false,
        });
      },
    };
  }

  async function note(order: Order, caller: Caller, bill: Bill): Promise<void> {
    const name = priceName(order, bill);
    const sender = { tokenHash: order.call.tokenHash, agent: agentNameOf(caller) };
    const at = now();
    const sent = unserved.take(name, sender) ?? { key: randomUUID(), at, until: at };
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

/** What the API is to check before it records anything. */
function conditions({
  enforceBudget,
  scopes,
}: Policy): Pick<MeterRequest, "enforceBudget" | "requiredScopes"> {
  return { ...(enforceBudget && { enforceBudget }), ...(scopes.length > 0 && { requiredScopes: scopes }) };
}

import { randomUUID } from "node:crypto";
import type { Policy } from "../pricing/charge-options.ts";
import type { Bill } from "../pricing/price-call.ts";
import type { RefusalCode, RefusalDetails } from "../refusal.ts";
import { Refused } from "../refused.ts";
import { agentBillingKey, isOfEarlierCall, priceName, triesOf } from "./billing-key.ts";
import { agentNameOf, type Caller, toCaller } from "./caller.ts";
import type { Gateway, GatewayOptions, MeterRequest, RefusedAnswer } from "./gateway.ts";
import type { Order } from "./order.ts";
import type { Sent, Unserved } from "./unserved.ts";
import type { VerificationCache } from "./verification-cache.ts";

/** Usage that is held. */
export interface Hold {
  readonly caller: Caller;
  /** Bills a part of it. */
  commit(order: Order, quantity: number): Promise<void>;
  /** Gives it back. */
  release(order: Order): Promise<void>;
  /** Keeps what was billed for the agent's next call: nothing was delivered for it. */
  keep(quantity: number): void;
}

/** What the API is to check before it records anything. */
export type Conditions = Pick<MeterRequest, "enforceBudget" | "requiredScopes">;

/** The conditions of a policy. */
export function conditions({ enforceBudget, scopes }: Pick<Policy, "enforceBudget" | "scopes">): Conditions {
  return { ...(enforceBudget && { enforceBudget }), ...(scopes.length > 0 && { requiredScopes: scopes }) };
}

/** A key, when it was sent first, and when the last try before this one was given up, where there was one. */
export interface RecordTries {
  readonly key: string;
  readonly at: number;
  readonly until: number | undefined;
}

/** What holds need of the teller that they are a part of. */
export interface TellerParts {
  readonly cache: VerificationCache;
  refused(code: RefusalCode, details?: RefusalDetails): Refused;
  refusedBy(order: Order, answer: RefusedAnswer, bill?: Bill): Refused;
  optionsFor(order: Order, idempotencyKey?: string): GatewayOptions;
  accept(order: Order, caller: Caller, source: "api" | "cache", recorded: boolean): void;
  verify(order: Order): Promise<Caller>;
  identify(order: Order): Promise<Caller>;
  /** Records usage under a key; which may have been recorded before. */
  record(
    order: Order,
    bill: Bill,
    tries: RecordTries,
    asked: Conditions,
  ): Promise<{ readonly caller: Caller; readonly duplicate: boolean }>;
  metered(
    order: Order,
    caller: Caller,
    bill: Bill,
    key: string,
    how: { readonly duplicate: boolean; readonly pending: boolean },
  ): void;
  report(order: Order, reason: string, error: unknown, bill?: Bill): void;
}

/** A reservation whose commit may have been recorded, and the quantity that it was sent with. Its id is the event's key. */
export interface LostCommit extends Sent {
  readonly quantity: number;
  /**
   * "committing": it was sent as a commit, which a release rules out. "recording": it was sent as an event by itself.
   * "recorded": it is known to be billed.
   */
  readonly state: "committing" | "recording" | "recorded";
}

/** What holds need. */
export interface HoldsOptions {
  readonly gateway: Gateway;
  /** Commits whose answers were lost, by what their calls cost. */
  readonly unserved: Unserved<LostCommit>;
  readonly now: () => number;
  readonly parts: TellerParts;
}

/** Makes the holds of a teller. */
export function createHolds({ gateway, unserved, now, parts }: HoldsOptions): {
  /** Holds what a call may cost, or has it use up what an earlier one was billed for nothing. Throws {@link Refused}. */
  hold(order: Order, bill: Bill): Promise<Hold>;
} {
  const { refused, refusedBy, optionsFor, accept, metered, report } = parts;

  async function hold(order: Order, bill: Bill): Promise<Hold> {
    // Under the agent's own key the API says itself what became of an earlier try.
    if (agentBillingKey(order) !== undefined) return reserve(order, bill, undefined);
    const name = priceName(order, bill);
    const { tokenHash } = order.call;
    const known = unserved.needsAgent(name, tokenHash)
      ? await parts.identify(order)
      : parts.cache.lastKnown(tokenHash);
    const from = { tokenHash, agent: known && agentNameOf(known) };
    for (;;) {
      const lost = unserved.take(name, from)?.sent;
      if (lost === undefined) return reserve(order, bill, name);
      const putBack = (left: LostCommit) => unserved.put(name, left, from);
      const credit = await findOut(order, bill, lost).catch((error: unknown) => {
        putBack({ ...lost, until: now() });
        throw error;
      });
      if (credit !== undefined) return usingUp(order, bill, credit, putBack);
    }
  }

  /** Finds out whether a lost commit was recorded, and rules it out where not; undefined where it was not. */
  async function findOut(order: Order, bill: Bill, lost: LostCommit): Promise<LostCommit | undefined> {
    const recorded: LostCommit = { ...lost, state: "recorded" };
    if (lost.state === "recorded") return recorded;
    if (lost.state === "committing") {
      const answer = await gateway.release(order.token, lost.key, optionsFor(order));
      if ("refusal" in answer) throw refusedBy(order, answer);
      return answer.value.committed ? recorded : undefined;
    }
    try {
      // Usage that was recorded is answered as such, whatever is left of the budget. Else it is new, and has to fit.
      await parts.record(order, { ...bill, quantity: lost.quantity }, lost, conditions(order.policy));
      return recorded;
    } catch (error) {
      if (error instanceof Refused && error.refusal.code === "budget_exceeded") return undefined;
      throw error;
    }
  }

  async function reserve(order: Order, bill: Bill, name: string | undefined): Promise<Hold> {
    const { call, policy, token } = order;
    const expiry = policy.holdFor === undefined ? {} : { expiresIn: policy.holdFor };
    const key = agentBillingKey(order) ?? randomUUID();
    const askedAt = Date.now();
    const request = { ...bill, ...conditions(policy), ...expiry };
    const answer = await gateway.reserve(token, request, optionsFor(order, key));
    if ("refusal" in answer) throw refusedBy(order, answer, bill);
    const { reservation, ...verified } = answer.value;
    const caller = toCaller(verified);
    parts.cache.remember(call.tokenHash, caller, askedAt);
    if (reservation.status === "committed") throw refused("idempotency_replay");
    if (reservation.status !== "held") throw refused("idempotency_replay", { message: RELEASED });
    const { id } = reservation;
    const release = async (later: Order) => {
      const released = await gateway.release(token, id, optionsFor(later));
      // Nobody pays for an abandoned hold: it lapses, and only counts against the budget until then.
      if ("refusal" in released)
        report(order, "a hold could not be released and will lapse by itself", released.cause, bill);
    };
    try {
      accept(order, caller, "api", false);
    } catch (error) {
      await release(order);
      throw error;
    }
    const from = { tokenHash: call.tokenHash, agent: agentNameOf(caller) };
    const lose = name === undefined ? undefined : (lost: LostCommit) => unserved.put(name, lost, from);
    const keep = (quantity: number) => {
      const at = now();
      lose?.({ key: id, at, until: at, quantity, state: "recorded" });
    };
    return { caller, release, keep, commit: committing({ order, bill, id, caller, lose }) };
  }

  /** Bills what was held, by however many tries that takes. */
  function committing({ order, bill, id, caller, lose }: Held): Hold["commit"] {
    let tries: RecordTries | undefined;
    let state: LostCommit["state"] = "committing";
    return async (later, quantity) => {
      const used = { ...bill, quantity };
      tries ??= { key: id, at: now(), until: undefined };
      const { at } = tries;
      const onRecording = () => {
        state = "recording";
      };
      try {
        const duplicate = await commit(later, order.token, used, tries, onRecording);
        metered(order, caller, used, id, { duplicate, pending: false });
      } catch (error) {
        tries = { key: id, at, until: now() };
        if (error instanceof Refused && error.mayBeRecorded)
          lose?.({ key: id, at, until: now(), quantity, state });
        throw error;
      }
    };
  }

  /**
   * Commits what was held, and says whether an earlier try had done so.
   *
   * The usage has the reservation's id for its key: where the hold is gone (its handler took longer, and the usage is
   * real all the same), or its credential, it is recorded under that, and once.
   */
  async function commit(
    later: Order,
    token: string,
    used: Bill,
    tries: RecordTries,
    onRecording: () => void,
  ): Promise<boolean> {
    const { key, at, until } = tries;
    const committed = await gateway.commit(token, key, used.quantity, optionsFor(later));
    const isEnded = "refusal" in committed && committed.refusal.code === "invalid_token";
    if ("refusal" in committed && !(isEnded && token !== later.token)) {
      if (later.settles) report(later, NOT_COMMITTED, committed.cause, used);
      throw refusedBy(later, committed);
    }
    if ("refusal" in committed || committed.value.lapsed) {
      onRecording();
      // As a commit, it is not bound by what is left of a budget: that may be full of this very hold.
      const asked = conditions({ enforceBudget: false, scopes: later.policy.scopes });
      return (await parts.record(later, used, tries, asked)).duplicate;
    }
    const { event } = committed.value;
    const before = triesOf(at, committed.retried ? now() : until, now());
    if (agentBillingKey(later) !== undefined && isOfEarlierCall(event, before))
      throw refused("idempotency_replay", { hasRun: later.settles });
    return event?.duplicate === true;
  }

  /** Has a call pay by what is recorded and was not delivered, and hold the rest alone. */
  async function usingUp(
    order: Order,
    bill: Bill,
    credit: LostCommit,
    putBack: (credit: LostCommit) => void,
  ): Promise<Hold> {
    const left = bill.quantity - credit.quantity;
    let caller: Caller;
    let rest: Hold | undefined;
    try {
      if (left > 0) rest = await reserve(order, { ...bill, quantity: left }, priceName(order, bill));
      caller = rest?.caller ?? (await parts.verify(order));
    } catch (error) {
      putBack(credit);
      throw error;
    }
    return {
      caller,
      async commit(later, quantity) {
        const paid = Math.min(quantity, credit.quantity);
        if (quantity === paid) await rest?.release(later);
        else
          await rest?.commit(later, quantity - paid).catch((error: unknown) => {
            putBack(credit);
            throw error;
          });
        if (paid < credit.quantity) putBack({ ...credit, quantity: credit.quantity - paid });
        metered(order, caller, { ...bill, quantity: paid }, credit.key, { duplicate: true, pending: false });
      },
      async release(later) {
        putBack(credit);
        await rest?.release(later);
      },
      keep(quantity) {
        const paid = Math.min(quantity, credit.quantity);
        putBack({ ...credit, quantity: paid });
        if (quantity > paid) rest?.keep(quantity - paid);
      },
    };
  }

  return { hold };
}

/** A hold that is to be committed. */
interface Held {
  readonly order: Order;
  readonly bill: Bill;
  readonly id: string;
  readonly caller: Caller;
  /** Remembers a commit that may have been recorded; undefined where the agent's own key does. */
  readonly lose: ((lost: LostCommit) => void) | undefined;
}

const NOT_COMMITTED = "a hold could not be committed, so the result was not delivered";

const RELEASED =
  "This idempotency key was used for a call that failed and was not charged. To run the call again, send a new key or none. Nothing was run or charged.";

import { randomUUID } from "node:crypto";
import type { Line } from "../pricing/price-call.ts";
import { Refused } from "../refusal/refused.ts";
import { agentBillingKey, isOfEarlierCall, priceName, triesOf } from "./billing-key.ts";
import { type BillingRequests, conditions, type RecordTries } from "./billing-requests.ts";
import { agentNameOf, type Caller, toCaller } from "./caller.ts";
import type { ChargeContext } from "./charge-context.ts";
import { type Credit, orPutBack } from "./credits.ts";
import type { Gateway } from "./gateway.ts";
import type { Sender, Sent, Unserved } from "./unserved.ts";

/** Usage that is held. */
export interface Reservation {
  readonly caller: Caller;
  /** Bills a part of it. */
  commit(context: ChargeContext, quantity: number): Promise<void>;
  /** Gives it back. */
  release(context: ChargeContext): Promise<void>;
  /** Keeps what was billed for the agent's next call: nothing was delivered for it. Not where the agent named this one. */
  keep(quantity: number): void;
}

/** What holds need. */
export interface ReservationsOptions {
  readonly gateway: Gateway;
  readonly unserved: Unserved;
  readonly now: () => number;
  readonly openCredit: (context: ChargeContext, from: Sender) => Credit;
  senderOf(context: ChargeContext, name: string): Promise<Sender>;
  readonly parts: BillingRequests;
}

/** Makes the holds of a teller. */
export function createReservations({
  gateway,
  unserved,
  now,
  openCredit,
  senderOf,
  parts,
}: ReservationsOptions): {
  /** Holds what a call may cost, or has it use up what its agent was billed for nothing. Throws {@link Refused}. */
  reserve(context: ChargeContext, line: Line): Promise<Reservation>;
} {
  const { refused, refusedBy, optionsFor, accept, metered, report } = parts;

  async function reserve(context: ChargeContext, line: Line): Promise<Reservation> {
    // Under the agent's own key the API says itself what became of an earlier try.
    if (agentBillingKey(context) !== undefined) return reserveInFull(context, line);
    const credit = openCredit(context, await senderOf(context, priceName(context)));
    await credit.lookUp(context, line.quantity);
    const rest = await orPutBack(credit, reserveRest(context, line, credit));
    const caller = rest?.caller ?? (await orPutBack(credit, parts.verify(context)));
    return reservationOf(context, line, caller, credit, rest);
  }

  /** Holds what a call may cost beyond its credit; undefined where that is nothing. */
  async function reserveRest(
    context: ChargeContext,
    line: Line,
    credit: Credit,
  ): Promise<Reservation | undefined> {
    const before = credit.quantity();
    const reserveLeft = async () => {
      const quantity = line.quantity - credit.quantity();
      return quantity > 0 ? reserveInFull(context, { ...line, quantity }) : undefined;
    };
    try {
      return await reserveLeft();
    } catch (error) {
      if (!(error instanceof Refused) || error.refusal.code !== "budget_exceeded") throw error;
      // It may be full of what was lost. What was not recorded does not fit, and is not by asking for it.
      await credit.recordDue(context, line, conditions({ ...context.policy, enforceBudget: true }), false);
      if (credit.quantity() === before) throw error;
      return reserveLeft();
    }
  }

  /** A call that pays by its credit, and holds no more than the rest. */
  function reservationOf(
    context: ChargeContext,
    line: Line,
    caller: Caller,
    credit: Credit,
    rest?: Reservation,
  ): Reservation {
    return {
      caller,
      async commit(later, quantity) {
        const used = { ...line, quantity };
        await credit.recordDue(later, used, unbudgeted(later), false);
        const left = quantity - credit.quantity();
        if (left > 0) await orPutBack(credit, rest?.commit(later, left) ?? Promise.resolve());
        else await rest?.release(later);
        credit.spend(later, caller, { ...line, quantity: quantity - Math.max(0, left) });
      },
      async release(later) {
        credit.putBack();
        await rest?.release(later);
      },
      keep(quantity) {
        const at = now();
        const from = { tokenHash: context.call.tokenHash, agent: agentNameOf(caller) };
        const sent = { key: randomUUID(), at, until: at, quantities: [quantity], state: "recorded" } as const;
        unserved.put(priceName(context), sent, from);
      },
    };
  }

  async function reserveInFull(context: ChargeContext, line: Line): Promise<Reservation> {
    const { call, policy, token } = context;
    const expiry = policy.reserveFor === undefined ? {} : { expiresIn: policy.reserveFor };
    const key = agentBillingKey(context) ?? randomUUID();
    const askedAt = Date.now();
    const request = { ...line, ...conditions(policy), ...expiry };
    const response = await gateway.reserve(token, request, optionsFor(context, key));
    if ("refusal" in response) throw refusedBy(context, response, line);
    const { reservation, ...verified } = response.value;
    const caller = toCaller(verified);
    parts.cache.remember(call.tokenHash, caller, askedAt);
    if (reservation.status === "committed") throw refused("idempotency_replay");
    if (reservation.status !== "held") throw refused("idempotency_replay", { message: RELEASED });
    const { id } = reservation;
    const release = async (later: ChargeContext) => {
      const released = await gateway.release(token, id, optionsFor(later));
      // Nobody pays for an abandoned hold: it lapses, and only counts against the budget until then.
      if ("refusal" in released)
        report(context, "a hold could not be released and will lapse by itself", released.cause, line);
    };
    try {
      accept(context, caller, "api", false);
    } catch (error) {
      await release(context);
      throw error;
    }
    const from = { tokenHash: call.tokenHash, agent: agentNameOf(caller) };
    const isNamed = agentBillingKey(context) !== undefined;
    const lose = isNamed ? undefined : (sent: Sent) => unserved.put(priceName(context), sent, from);
    // Where its agent has named the call, a repetition goes on where it failed.
    const keep = () => undefined;
    return { caller, release, keep, commit: committing({ context, line, id, caller, lose }) };
  }

  /** Bills what was held, by however many tries that takes. */
  function committing({ context, line, id, caller, lose }: ReservedUsage): Reservation["commit"] {
    let tries: RecordTries | undefined;
    let state: Sent["state"] = "committing";
    return async (later, quantity) => {
      const used = { ...line, quantity };
      tries ??= { key: id, at: now(), until: undefined };
      const { at } = tries;
      const onRecording = () => {
        state = "recording";
      };
      try {
        const duplicate = await commit(later, context.token, used, tries, onRecording);
        metered(context, caller, used, id, { duplicate, pending: false });
      } catch (error) {
        tries = { key: id, at, until: now() };
        if (error instanceof Refused && error.mayBeRecorded)
          lose?.({ key: id, at, until: now(), quantities: [quantity], state });
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
    later: ChargeContext,
    token: string,
    used: Line,
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
      return (await parts.record(later, used, tries, unbudgeted(later))).duplicate;
    }
    const { event } = committed.value;
    const before = triesOf(at, committed.retried ? now() : until, now());
    if (agentBillingKey(later) !== undefined && isOfEarlierCall(event, before))
      throw refused("idempotency_replay", { hasRun: later.settles });
    return event?.duplicate === true;
  }

  return { reserve };
}

/** A hold that is to be committed. */
interface ReservedUsage {
  readonly context: ChargeContext;
  readonly line: Line;
  readonly id: string;
  readonly caller: Caller;
  /** Remembers a commit that may have been recorded; undefined where the agent's own key does. */
  readonly lose: ((sent: Sent) => void) | undefined;
}

/** As a commit, usage is not bound by what is left of a budget: that may be full of the very hold. */
const unbudgeted = ({ policy: { scopes } }: ChargeContext) => conditions({ enforceBudget: false, scopes });

const NOT_COMMITTED = "a hold could not be committed, so the result was not delivered";

const RELEASED =
  "This idempotency key was used for a call that failed and was not charged. To run the call again, send a new key or none. Nothing was run or charged.";

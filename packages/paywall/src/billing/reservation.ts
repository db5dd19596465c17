import { randomUUID } from "node:crypto";
import { agentNameOf, type Caller, toCaller } from "../credential/caller.ts";
import type { Line } from "../pricing/price-call.ts";
import { mayBeRecorded, RefusedError } from "../refusal/refused-error.ts";
import { agentBillingKey, isOfEarlierCall, priceName, triesOf } from "./billing-key.ts";
import {
  accept,
  type BillingParts,
  conditions,
  emitMetered,
  type RecordTries,
  record,
  refused,
  refusedBy,
  reportFailure,
  requestOptions,
  senderOf,
  verify,
} from "./billing-requests.ts";
import type { ChargeContext } from "./charge-context.ts";
import { type Credit, openCredit, orPutBack } from "./credits.ts";
import type { Sent } from "./unserved.ts";

/** Usage that is reserved. */
export interface Reservation {
  readonly caller: Caller;
  /** Bills a part of it. */
  commit(context: ChargeContext, quantity: number): Promise<void>;
  /** Gives it back. */
  release(context: ChargeContext): Promise<void>;
  /** Keeps what was billed for the agent's next call: nothing was delivered for it. Not where the agent named this one. */
  keep(quantity: number): void;
}

/**
 * Reserves the most that a call may cost, or has it use up what its agent was billed for without a result.
 *
 * @throws RefusedError
 */
export async function reserve(parts: BillingParts, context: ChargeContext, line: Line): Promise<Reservation> {
  // Under the agent's own key the API says itself what became of an earlier try.
  if (agentBillingKey(context) !== undefined) return reserveInFull(parts, context, line);
  const credit = openCredit(parts, context, await senderOf(parts, context, priceName(context)));
  await credit.lookUp(context, line.quantity);
  const rest = await orPutBack(credit, reserveRest(parts, context, line, credit));
  const caller = rest?.caller ?? (await orPutBack(credit, verify(parts, context)));
  return withCredit(parts, { context, line, caller, credit, rest });
}

/** Reserves what a call may cost beyond its credit; undefined where that is nothing. */
async function reserveRest(
  parts: BillingParts,
  context: ChargeContext,
  line: Line,
  credit: Credit,
): Promise<Reservation | undefined> {
  const before = credit.quantity();
  const reserveLeft = async () => {
    const quantity = line.quantity - credit.quantity();
    return quantity > 0 ? reserveInFull(parts, context, { ...line, quantity }) : undefined;
  };
  try {
    return await reserveLeft();
  } catch (error) {
    if (!(error instanceof RefusedError) || error.refusal.code !== "budget_exceeded") throw error;
    // It may be full of what was lost. What was not recorded does not fit, and is not by asking for it.
    await credit.recordDue(context, line, conditions({ ...context.policy, enforceBudget: true }), false);
    if (credit.quantity() === before) throw error;
    return reserveLeft();
  }
}

/** A call that pays by its credit, and reserves no more than the rest. */
interface CreditedCall {
  readonly context: ChargeContext;
  readonly line: Line;
  readonly caller: Caller;
  readonly credit: Credit;
  readonly rest: Reservation | undefined;
}

function withCredit(parts: BillingParts, { context, line, caller, credit, rest }: CreditedCall): Reservation {
  return {
    caller,
    async commit(later, quantity) {
      await credit.recordDue(later, { ...line, quantity }, unbudgeted(later), false);
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
      const at = parts.now();
      const from = { tokenHash: context.call.tokenHash, agent: agentNameOf(caller) };
      const sent = { key: randomUUID(), at, until: at, quantities: [quantity], state: "recorded" } as const;
      parts.unserved.put(priceName(context), sent, from);
    },
  };
}

async function reserveInFull(parts: BillingParts, context: ChargeContext, line: Line): Promise<Reservation> {
  const { call, policy, token } = context;
  const expiry = policy.reserveFor === undefined ? {} : { expiresIn: policy.reserveFor };
  const key = agentBillingKey(context) ?? randomUUID();
  const askedAt = Date.now();
  const request = { ...line, ...conditions(policy), ...expiry };
  const response = await parts.gateway.reserve(token, request, requestOptions(parts, context, key));
  if ("refusal" in response) throw refusedBy(parts, context, response, line);
  const { reservation, ...verified } = response.value;
  const caller = toCaller(verified);
  parts.cache.remember(call.tokenHash, caller, askedAt);
  if (reservation.status === "committed") throw refused(parts, "idempotency_replay");
  if (reservation.status !== "held") throw refused(parts, "idempotency_replay", { message: RELEASED });
  const { id } = reservation;
  const release = (later: ChargeContext) => releaseAll(parts, { context, line, id, later });
  try {
    accept(parts, context, caller, "api", false);
  } catch (error) {
    await release(context);
    throw error;
  }
  const from = { tokenHash: call.tokenHash, agent: agentNameOf(caller) };
  const isNamed = agentBillingKey(context) !== undefined;
  const lose = isNamed ? undefined : (sent: Sent) => parts.unserved.put(priceName(context), sent, from);
  // Where its agent has named the call, a repetition goes on where it failed.
  const keep = () => undefined;
  return { caller, release, keep, commit: committing(parts, { context, line, id, caller, lose }) };
}

async function releaseAll(
  parts: BillingParts,
  { context, line, id, later }: Pick<ReservedUsage, "context" | "line" | "id"> & { later: ChargeContext },
): Promise<void> {
  const released = await parts.gateway.release(context.token, id, requestOptions(parts, later));
  // Nobody pays for an abandoned reservation: it lapses, and only counts against the budget until then.
  if ("refusal" in released) reportFailure(parts, context, NOT_RELEASED, released.cause, line);
}

/** A reservation that is to be committed. */
interface ReservedUsage {
  readonly context: ChargeContext;
  readonly line: Line;
  readonly id: string;
  readonly caller: Caller;
  /** Remembers a commit that may have been recorded; undefined where the agent's own key does. */
  readonly lose: ((sent: Sent) => void) | undefined;
}

/** Bills what was reserved, by however many tries that takes. */
function committing(
  parts: BillingParts,
  { context, line, id, caller, lose }: ReservedUsage,
): Reservation["commit"] {
  const { now } = parts;
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
      const duplicate = await commit(parts, later, context.token, used, tries, onRecording);
      emitMetered(parts, context, caller, used, id, { duplicate, pending: false });
    } catch (error) {
      tries = { key: id, at, until: now() };
      if (mayBeRecorded(error)) lose?.({ key: id, at, until: now(), quantities: [quantity], state });
      throw error;
    }
  };
}

/**
 * Commits what was reserved, and returns whether an earlier try had done so.
 *
 * The usage has the reservation's id for its key: where the reservation is gone (its handler took longer, and the usage
 * is real all the same), or its credential, it is recorded under that, and once.
 */
async function commit(
  parts: BillingParts,
  later: ChargeContext,
  token: string,
  used: Line,
  tries: RecordTries,
  onRecording: () => void,
): Promise<boolean> {
  const { gateway, now } = parts;
  const { key, at, until } = tries;
  const committed = await gateway.commit(token, key, used.quantity, requestOptions(parts, later));
  const isEnded = "refusal" in committed && committed.refusal.code === "invalid_token";
  if ("refusal" in committed && !(isEnded && token !== later.token)) {
    if (later.settles) reportFailure(parts, later, NOT_COMMITTED, committed.cause, used);
    throw refusedBy(parts, later, committed);
  }
  if ("refusal" in committed || committed.value.lapsed) {
    onRecording();
    return (await record(parts, later, used, tries, unbudgeted(later))).duplicate;
  }
  const { event } = committed.value;
  const before = triesOf(at, committed.retried ? now() : until, now());
  if (agentBillingKey(later) !== undefined && isOfEarlierCall(event, before))
    throw refused(parts, "idempotency_replay", { hasRun: later.settles });
  return event?.duplicate === true;
}

/** As a commit, usage is not bound by what is left of a budget: that may be full of the very reservation. */
const unbudgeted = ({ policy: { scopes } }: ChargeContext) => conditions({ enforceBudget: false, scopes });

const NOT_RELEASED = "a reservation could not be released and will lapse by itself";

const NOT_COMMITTED = "a reservation could not be committed, so the result was not delivered";

const RELEASED =
  "This idempotency key was used for a call that failed and was not charged. To run the call again, send a new key or none. Nothing was run or charged.";

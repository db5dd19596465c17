import { randomUUID } from "node:crypto";
import type { Gateway, GatewayOptions, MeterRequest, Recorded, RefusedAnswer } from "../api/gateway.ts";
import { reasonForOwner } from "../api/gateway.ts";
import { type Caller, toCaller } from "../caller.ts";
import type { Emitter } from "../events.ts";
import type { Journal } from "../journal/journal.ts";
import { type Links, type RefusalCode, type RefusalDetails, refuse } from "../refusal.ts";
import { digest } from "../util/digest.ts";
import { createPool } from "../util/pool.ts";
import type { VerificationCache } from "../verification-cache.ts";
import type { Bill } from "./bill.ts";
import type { Call } from "./call.ts";
import type { Policy } from "./policy.ts";
import { Refused } from "./refused.ts";

/** A call on its way to being billed. */
export interface Order {
  readonly call: Call;
  readonly policy: Policy;
  readonly token: string;
  /** Whether the handler has run: what is asked now goes before the agent's calls that have not begun. */
  readonly settles: boolean;
}

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
  /** Verifies a caller and bills it, in one request. */
  meter(order: Order, bill: Bill): Promise<Caller>;
  hold(order: Order, bill: Bill): Promise<Hold>;
  /** Notes usage in the journal; by a request where it takes no more. */
  note(order: Order, caller: Caller, bill: Bill): Promise<void>;
  /** Who a token stood for when it was last verified. */
  lastKnown(order: Pick<Order, "call">): Caller | undefined;
  /** Tells the owner of something to look at. */
  report(order: Pick<Order, "call">, reason: string, error: unknown, bill?: Bill): void;
}

const HOUR = 3_600_000;

/** A key under which usage was sent to be recorded. */
interface Sent {
  readonly key: string;
  /** When that was first, by the teller's clock. */
  readonly at: number;
}

/** Milliseconds by which the clocks of an API's own processes may differ. */
const CLOCK_SKEW = 2_000;

/** Makes a teller. */
export function createTeller(options: TellerOptions): Teller {
  const { gateway, emitter, links, cache, timeout, now } = options;
  /** Keys whose usage the API may have recorded although nothing was served: the next such call uses them up. */
  const unserved = createPool<Sent>({ limit: 10_000, ttl: HOUR, now });

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

  /** Under which name a key is kept whose usage may have been recorded: any call that costs the same may use it up. */
  const unservedName = ({ call }: Order, bill: Bill) =>
    JSON.stringify([call.tokenHash, call.kind, call.name, bill.meterName, bill.quantity]);

  async function meter(order: Order, bill: Bill): Promise<Caller> {
    const { call, policy, token } = order;
    const agentKey =
      typeof call.agentKey === "string" ? agentBillingKey(call, bill, call.agentKey) : undefined;
    const name = agentKey ?? unservedName(order, bill);
    const left = unserved.take(name);
    const sent = left ?? { key: agentKey ?? randomUUID(), at: now() };
    const { key } = sent;
    const request: MeterRequest = { ...bill, ...conditions(policy) };
    try {
      const askedAt = Date.now();
      const answer = await gateway.verify(token, request, optionsFor(order, key));
      if ("refusal" in answer) throw refusedBy(order, answer, bill);
      const caller = toCaller(answer.value);
      cache.remember(call.tokenHash, caller, askedAt);
      accept(order, caller, "api", true);
      const { event } = answer.value;
      const wasTried = left !== undefined || answer.retried;
      if (agentKey !== undefined && isOfEarlierCall(event, wasTried, sent.at))
        throw refused("idempotency_replay");
      metered(order, caller, bill, key, { duplicate: event?.duplicate === true, pending: false });
      return caller;
    } catch (error) {
      if (error instanceof Refused && (error.mayBeRecorded || left !== undefined)) unserved.put(name, sent);
      throw error;
    }
  }

  /** Whether an event was recorded for an earlier call with its key, and not by a try of this one, first sent then. */
  const isOfEarlierCall = (event: Recorded | undefined, wasTried: boolean, sentAt: number) =>
    event?.duplicate === true && !(wasTried && (event.age ?? 0) <= now() - sentAt + CLOCK_SKEW);

  async function hold(order: Order, bill: Bill): Promise<Hold> {
    const { call, policy, token } = order;
    const key = typeof call.agentKey === "string" ? agentBillingKey(call, bill, call.agentKey) : randomUUID();
    const expiry = policy.holdFor === undefined ? {} : { expiresIn: policy.holdFor };
    const askedAt = Date.now();
    const answer = await gateway.reserve(
      token,
      { ...bill, ...conditions(policy), ...expiry },
      optionsFor(order, key),
    );
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
    return {
      caller,
      release,
      async commit(later, quantity) {
        const used = { ...bill, quantity };
        const sentAt = now();
        const committed = await gateway.commit(token, reservation.id, quantity, optionsFor(later));
        if ("refusal" in committed) {
          report(
            order,
            "a hold could not be committed, so the result was not delivered",
            committed.cause,
            used,
          );
          throw refusedBy(later, committed);
        }
        if (committed.value.lapsed) {
          // The handler took longer than the hold, and the usage is real all the same.
          await meter(later, used);
          return;
        }
        const { event } = committed.value;
        if (typeof call.agentKey === "string" && isOfEarlierCall(event, committed.retried, sentAt))
          throw refused("idempotency_replay");
        metered(order, caller, used, reservation.id, {
          duplicate: event?.duplicate === true,
          pending: false,
        });
      },
    };
  }

  async function note(order: Order, caller: Caller, bill: Bill): Promise<void> {
    const name = unservedName(order, bill);
    const sent = unserved.take(name) ?? { key: randomUUID(), at: now() };
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
      unserved.put(name, sent);
      await meter(order, bill);
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
    meter,
    hold,
    note,
    lastKnown({ call }) {
      const known = cache.lastKnown(call.tokenHash);
      return known && { ...known, budget: undefined };
    },
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

/** Binds an agent's key to who called what for how much with which arguments: nothing else can be had for it. */
function agentBillingKey(call: Call, bill: Bill, agentKey: string): string {
  return digest(call.tokenHash, agentKey, call.binding(), call.round(), bill.meterName, bill.quantity);
}

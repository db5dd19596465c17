import { randomUUID } from "node:crypto";
import { type Bill, BillError, computeBill, computeResultQuantity } from "./bill.ts";
import type { Call } from "./call.ts";
import type { Caller } from "./caller.ts";
import { digest } from "./digest.ts";
import type { Emitter } from "./events.ts";
import { createExpiringMap } from "./expiring-map.ts";
import type { Gateway, GatewayOptions, MeterRequest, RefusedAnswer, Verified } from "./gateway.ts";
import type { Policy } from "./policy.ts";
import { createPool } from "./pool.ts";
import { type Links, type Refusal, type RefusalCode, type RefusalDetails, refuse } from "./refusal.ts";
import { isAgentToken } from "./token.ts";

/** How a handler's run ended. */
export type Outcome =
  | { readonly status: "done"; readonly result: unknown }
  /** It threw, its result is an error, or it was cancelled in reserve mode. */
  | { readonly status: "failed" }
  /** It asks the client for input and will be called again (protocol 2026-07-28). */
  | { readonly status: "input_required" };

/** A call that may run. */
export interface Admission {
  readonly caller: Caller;
  /** Bills what is billed after the handler. A refusal means: do not deliver the result. */
  settle(outcome: Outcome): Promise<Refusal | undefined>;
  /** Whether the handler may be entered again in the same request after it was settled as `input_required`. */
  resume(): boolean;
}

/** What charging needs. */
export interface ChargeDependencies {
  readonly gateway: Gateway;
  readonly emitter: Emitter;
  readonly links: Links;
  /** Milliseconds for everything before the handler, and again for everything after it. */
  readonly timeout: number;
  readonly now: () => number;
}

/** Decides whether a call may run, and bills it. */
export type Charge = (call: Call, policy: Policy) => Promise<Admission | Refusal>;

/** Whether an answer of {@link Charge} is a refusal. */
export function isRefusal(value: Admission | Refusal): value is Refusal {
  return "code" in value;
}

/** Thrown inside this module to leave it with a refusal. */
class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

const HOUR = 3_600_000;

/** Makes the function that admits calls. Its state is bounded and may be lost: then somebody pays again, and nobody runs free. */
export function createCharge({ gateway, emitter, links, timeout, now }: ChargeDependencies): Charge {
  /** Who a token belongs to. Good for computing a price, never for letting a call through. */
  const identities = createExpiringMap<Caller>({ limit: 10_000, ttl: 60_000, now });
  /** Keys whose usage the API may have recorded although nothing was served for it: the next such call uses them up. */
  const unserved = createPool<string>({ limit: 10_000, ttl: HOUR, now });
  /** Calls that were paid for and asked for input: each pays for one more round. */
  const rounds = createPool<true>({ limit: 10_000, ttl: HOUR, now });

  const fail = (code: RefusalCode, details?: RefusalDetails) => new Refused(refuse(code, links, details));

  return async (call, policy) => {
    const subject = { kind: call.kind, name: call.name };
    try {
      return await admit(call, policy);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      emitter.emit("denied", {
        ...subject,
        refusal: error.refusal,
        agentId: identities.get(call.tokenHash)?.agentId,
      });
      return error.refusal;
    }
  };

  async function admit(call: Call, policy: Policy): Promise<Admission> {
    if (call.token === undefined) throw fail("missing_token");
    if (!isAgentToken(call.token)) throw fail("invalid_token");
    if (call.agentKey === null) {
      throw fail("idempotency_conflict", {
        message:
          "An idempotency key is a text of 1 to 255 printable ASCII characters. Send such a key or none. Nothing was run or charged.",
      });
    }
    // Nothing was asked of the API yet, so a call that was cancelled by now costs nothing. Later it cannot be undone.
    call.signal?.throwIfAborted();
    const request = { call, policy, token: call.token, end: now() + timeout };
    const bill = await priceOf(request);
    if (bill === undefined) return verifyOnly(request);
    if (policy.charge === "reserve" || (policy.charge === "success" && policy.enforceBudget))
      return hold(request, bill);
    if (policy.charge === "success") return billAfter(request, bill);
    return billBefore(request, bill);
  }

  interface Request {
    readonly call: Call;
    readonly policy: Policy;
    readonly token: string;
    /** When the time for asking the API is over. */
    readonly end: number;
  }

  async function priceOf(request: Request): Promise<Bill | undefined> {
    const { call, policy } = request;
    try {
      return await computeBill(
        policy,
        call.args,
        async () => identities.get(call.tokenHash) ?? (await verify(request, {})).caller,
      );
    } catch (error) {
      if (!(error instanceof BillError)) throw error;
      report(request, error.message, error);
      throw fail("misconfigured");
    }
  }

  /** Asks the API about a token, metering in the same request where `meter` names one. */
  async function verify(
    { call, policy, token, end }: Request,
    meter: MeterRequest,
    idempotencyKey: string = randomUUID(),
  ): Promise<{ caller: Caller; verified: Verified; retried: boolean }> {
    const scopes = policy.scopes.length > 0 ? { requiredScopes: policy.scopes } : {};
    const answer = await gateway.verify(
      token,
      { ...meter, ...scopes },
      { idempotencyKey, deadline: end - now() },
    );
    if ("refusal" in answer) throw refusedBy(answer, call, policy);
    return { ...accept(call, policy, answer.value), retried: answer.retried };
  }

  function refusedBy(
    answer: RefusedAnswer,
    call: Call,
    policy: Policy,
  ): Unanswered {
    if (answer.refusal.code === "invalid_token") identities.delete(call.tokenHash);
    // The gateway knows neither the owner's links nor the tool's scopes.
    const { code, retryAfter, budget } = answer.refusal;
    const requiredScopes = code === "insufficient_scope" ? policy.scopes : undefined;
    if (code === "billing_unavailable" || code === "misconfigured")
      report({ call }, answer.refusal.message, answer.cause);
    return new Unanswered(refuse(code, links, { retryAfter, budget, requiredScopes }), answer.unknown);
  }

  function accept(call: Call, policy: Policy, verified: Verified): { caller: Caller; verified: Verified } {
    const caller: Caller = {
      accountId: verified.accountId,
      agentId: verified.agentId,
      scopes: verified.scopes,
      expiresAt: verified.expiresAt === undefined ? undefined : new Date(verified.expiresAt),
      budget: verified.budget,
    };
    identities.set(call.tokenHash, caller);
    // A server that does not know `requiredScopes` has not looked.
    if (!policy.scopes.every((scope) => caller.scopes.includes(scope))) {
      throw fail("insufficient_scope", { requiredScopes: policy.scopes });
    }
    emitter.emit("verified", {
      kind: call.kind,
      name: call.name,
      accountId: caller.accountId,
      agentId: caller.agentId,
      source: "api",
      budget: caller.budget,
    });
    return { caller, verified };
  }

  async function verifyOnly(request: Request): Promise<Admission> {
    const { caller } = await verify(request, {});
    return { caller, settle: async () => undefined, resume: () => true };
  }

  async function billBefore(request: Request, bill: Bill): Promise<Admission> {
    const { call } = request;
    const paid = digest(call.tokenHash, call.binding(), bill);
    if (call.continues && rounds.take(paid) !== undefined) {
      try {
        return withRounds(await verifyOnly(request), paid);
      } catch (error) {
        // Refused now, and still paid for.
        rounds.put(paid, true);
        throw error;
      }
    }
    const { caller } = await meter(request, bill, request.policy.enforceBudget);
    // From here on the call is billed, so its handler starts, whatever its signal says by now.
    return withRounds({ caller }, paid);
  }

  function withRounds({ caller }: Pick<Admission, "caller">, paid: string): Admission {
    return {
      caller,
      async settle(outcome) {
        if (outcome.status === "input_required") rounds.put(paid, true);
        return undefined;
      },
      // The round may have been used up by another request in the meantime.
      resume: () => rounds.take(paid) !== undefined,
    };
  }

  async function billAfter(request: Request, bill: Bill): Promise<Admission> {
    const { call, policy } = request;
    const { caller } = await verify(request, {});
    call.signal?.throwIfAborted();
    return {
      caller,
      settle: (outcome) =>
        settling(request, async (later) => {
          if (outcome.status !== "done") return;
          const quantity = usedQuantity(request, bill, caller, outcome.result);
          if (quantity > 0) await meter(later, { ...bill, quantity }, policy.enforceBudget);
        }),
      resume: () => true,
    };
  }

  async function hold(request: Request, bill: Bill): Promise<Admission> {
    const { call, policy, token, end } = request;
    const idempotencyKey =
      typeof call.agentKey !== "string" ? randomUUID() : agentBillingKey(call, bill, call.agentKey);
    const answer = await gateway.reserve(
      token,
      {
        ...bill,
        ...(policy.enforceBudget && { enforceBudget: true }),
        ...(policy.scopes.length > 0 && { requiredScopes: policy.scopes }),
        ...(policy.holdFor !== undefined && { expiresIn: policy.holdFor }),
      },
      { idempotencyKey, deadline: end - now() },
    );
    if ("refusal" in answer) throw refusedBy(answer, call, policy);
    const { reservation } = answer.value;
    const release = (later: Request) => gateway.release(token, reservation.id, optionsOf(later));
    if (reservation.status !== "held") throw fail("idempotency_replay");
    let caller: Caller;
    try {
      ({ caller } = accept(call, policy, answer.value));
      call.signal?.throwIfAborted();
    } catch (error) {
      await release(request);
      throw error;
    }
    return {
      caller,
      settle: (outcome) =>
        settling(request, async (later) => {
          const quantity =
            outcome.status === "done" ? usedQuantity(request, bill, caller, outcome.result) : 0;
          if (quantity === 0) {
            const released = await release(later);
            // An abandoned hold lapses by itself: nobody pays for it, it only counts against the budget until then.
            if ("refusal" in released)
              report(request, "a hold could not be released and will lapse", released.cause, bill);
            return;
          }
          const committed = await gateway.commit(token, reservation.id, quantity, optionsOf(later));
          if ("refusal" in committed) {
            report(
              request,
              "a hold could not be committed, so the result was not delivered",
              committed.cause,
              { ...bill, quantity },
            );
            throw refusedBy(committed, call, policy);
          }
          if (committed.value.lapsed) {
            // The handler took longer than the hold: the usage is real all the same.
            await meter(later, { ...bill, quantity }, policy.enforceBudget);
            return;
          }
          const duplicate = committed.value.event?.duplicate === true;
          if (duplicate && call.agentKey !== undefined && !committed.retried)
            throw fail("idempotency_replay");
          metered(request, caller, { ...bill, quantity }, reservation.id, duplicate);
        }),
      // An `input_required` outcome has given the hold back: another round needs a new one.
      resume: () => false,
    };
  }

  /** Bills in one request with the verification. */
  async function meter(request: Request, bill: Bill, enforceBudget: boolean): Promise<{ caller: Caller }> {
    const { call } = request;
    const agentKey = call.agentKey ?? undefined;
    const own = agentKey === undefined ? undefined : agentBillingKey(call, bill, agentKey);
    const name = own ?? digest(call.tokenHash, call.kind, call.name, bill);
    const left = unserved.take(name);
    const key = own ?? left ?? randomUUID();
    try {
      const answer = await verify(request, { ...bill, ...(enforceBudget && { enforceBudget }) }, key);
      const duplicate = answer.verified.event?.duplicate === true;
      // Recorded by an earlier call with this key, and not by an earlier try of this one.
      if (duplicate && own !== undefined && left === undefined && !answer.retried)
        throw fail("idempotency_replay");
      metered(request, answer.caller, bill, key, duplicate);
      return answer;
    } catch (error) {
      const mayBeRecorded =
        error instanceof Unanswered
          ? error.unknown
          : error instanceof Refused && error.refusal.code === "insufficient_scope";
      if (
        mayBeRecorded ||
        (left !== undefined && !(error instanceof Refused && error.refusal.code === "idempotency_replay"))
      )
        unserved.put(name, key);
      throw error;
    }
  }

  function usedQuantity({ call, policy }: Request, bill: Bill, caller: Caller, result: unknown): number {
    if (policy.resultQuantity === undefined) return bill.quantity;
    const request = { call, policy };
    try {
      const used = computeResultQuantity(policy.resultQuantity, result, call.args, caller);
      const held = policy.charge === "reserve" || policy.enforceBudget;
      if (!held || used <= bill.quantity) return used;
      report(
        request,
        `${used} units were used and ${bill.quantity} were held: the rest is not billed`,
        undefined,
        { ...bill, quantity: used },
      );
      return bill.quantity;
    } catch (error) {
      if (!(error instanceof BillError)) throw error;
      report(request, `${error.message}; ${bill.quantity} units were billed instead`, error, bill);
      return bill.quantity;
    }
  }

  async function settling(
    request: Request,
    run: (later: Request) => Promise<void>,
  ): Promise<Refusal | undefined> {
    const { call } = request;
    try {
      await run({ ...request, end: now() + timeout });
      return undefined;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      emitter.emit("denied", {
        kind: call.kind,
        name: call.name,
        refusal: error.refusal,
        agentId: identities.get(call.tokenHash)?.agentId,
      });
      return error.refusal;
    }
  }

  function optionsOf({ end }: Request): GatewayOptions {
    return { idempotencyKey: randomUUID(), deadline: end - now() };
  }

  function metered(
    { call }: Pick<Request, "call">,
    caller: Caller,
    bill: Bill,
    idempotencyKey: string,
    duplicate: boolean,
  ): void {
    const { kind, name } = call;
    emitter.emit("metered", {
      kind,
      name,
      agentId: caller.agentId,
      ...bill,
      idempotencyKey,
      duplicate,
      pending: false,
    });
  }

  function report({ call }: Pick<Request, "call">, reason: string, error: unknown, bill?: Bill): void {
    const agentId = identities.get(call.tokenHash)?.agentId;
    emitter.emit("failed", {
      reason,
      error,
      kind: call.kind,
      name: call.name,
      ...bill,
      ...(agentId !== undefined && { agentId }),
    });
  }
}

class Unanswered extends Refused {
  readonly unknown: boolean;

  constructor(refusal: Refusal, unknown: boolean) {
    super(refusal);
    this.unknown = unknown;
  }
}

/** Binds an agent's key to who called what for how much with which arguments: nothing else can be had for it. */
function agentBillingKey(call: Call, bill: Bill, agentKey: string): string {
  return digest(
    "agent-key",
    call.tokenHash,
    agentKey,
    call.binding(),
    call.round(),
    bill.meterName,
    bill.quantity,
  );
}

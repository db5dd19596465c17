import { createBillingClient } from "../billing/billing-client.ts";
import type { Gateway } from "../billing/gateway.ts";
import { createVerificationCache } from "../billing/verification-cache.ts";
import { createAuthorizer } from "../call/authorizer.ts";
import {
  type Charged,
  chargeResultOf,
  completionOf,
  createCharge,
  type RunningCall,
} from "../call/charge.ts";
import type { ChargeResult } from "../call/charged-target.ts";
import { createIdempotencyCache } from "../call/idempotency-cache.ts";
import { createInFlight, type InFlight } from "../call/in-flight.ts";
import type { Call } from "../credential/call.ts";
import { hashToken } from "../credential/find-credential.ts";
import { createEmitter, type PaywallEvents } from "../events.ts";
import type { Journal } from "../journal/journal.ts";
import type { JournalEvent } from "../journal/journal-event.ts";
import type { FinishedRun } from "../modes/outcome.ts";
import { type ChargeOptions, toPolicy } from "../pricing/charge-options.ts";
import type { Links } from "../refusal/refusal.ts";
import type { SpanAttributes, Trace } from "../telemetry.ts";
import { fingerprint } from "../util/digest.ts";
import { createTestLedger, type TestLedger } from "./test-ledger.ts";

/** A call to charge for: where nothing else is said, `agt_1` calls `report` with no arguments. */
export interface TestCall {
  readonly token?: string | undefined;
  readonly name?: string;
  readonly args?: unknown;
  readonly key?: string | null;
  readonly signal?: AbortSignal;
  /** The digest of the client's response to an `input_required` result. */
  readonly round?: string;
  readonly continues?: boolean;
  readonly sharesKey?: () => boolean;
  readonly madeOf?: string;
}

/** A span that was ended. */
interface TestSpan {
  readonly name: string;
  readonly attributes: SpanAttributes;
}

/** Charging for calls by a ledger in memory: all of it but the requests. */
export interface TestCharging {
  readonly ledger: TestLedger;
  /** The token of the ledger's agent `agt_1`. */
  readonly token: string;
  /** Usage that waits in the journal. */
  readonly journalled: readonly JournalEvent[];
  /** Has the journal take no more usage. */
  failJournal(): void;
  readonly spans: readonly TestSpan[];
  readonly inFlight: InFlight;
  /** The quantities that were billed. */
  billed(): readonly number[];
  /** The events of a type that listeners were told so far. */
  told<Type extends keyof PaywallEvents>(type: Type): readonly PaywallEvents[Type][];
  /** Lets milliseconds pass. */
  wait(milliseconds: number): void;
  /** Charges for a call, and returns how its run, its charge and its settlement ended. */
  charge(call: TestCall, options: ChargeOptions, run: TestRun): Promise<Charged>;
  /** Charges for a call, and returns what its caller is given. */
  call(call: TestCall, options: ChargeOptions, run?: TestRun): Promise<ChargeResult>;
}

/** Runs a call. Its result is what is returned; {@link askInput} asks the client for input instead. */
export type TestRun = (running: RunningCall) => unknown;

/** The result of a run that asks the client for input. */
export const askInput = { resultType: "input_required" };

/** Options of {@link createTestCharging}. */
export interface TestChargingOptions {
  readonly background?: boolean;
  readonly allowOffline?: boolean;
  /** Milliseconds for which a token is trusted that was verified. */
  readonly cacheTtl?: number;
  readonly links?: Links;
  /** The API; an empty ledger by default. */
  readonly ledger?: TestLedger;
  /** Stands between the paywall and the ledger. */
  readonly through?: (gateway: Gateway) => Gateway;
}

/** Makes the charging of one paywall, with a clock that stands still. */
export function createTestCharging(options: TestChargingOptions = {}): TestCharging {
  const { background = false, allowOffline = false, cacheTtl = 0, links = {} } = options;
  const { through = (gateway) => gateway } = options;
  const ledger = options.ledger ?? createTestLedger();
  const token = ledger.authorize("agt_1");
  const clock = { time: 0 };
  const now = () => clock.time;
  const emitter = createEmitter();
  const { journal, journalled, fail } = createTestJournal();
  const { trace, spans } = createTestTrace();
  const cache = createVerificationCache({ cacheTtl, elapsed: now });
  const billing = createBillingClient({
    gateway: through(ledger.gateway),
    emitter,
    links,
    cache,
    journal: background || allowOffline ? async () => journal : undefined,
    timeout: 5_000,
    now,
  });
  const authorizer = createAuthorizer({ billing, emitter, background, allowOffline, now });
  const kept = createIdempotencyCache(now);
  const inFlight = createInFlight();
  const chargeCall = createCharge({ authorizer, cache: kept, emitter, links, trace, inFlight });
  const events: { readonly type: keyof PaywallEvents; readonly event: unknown }[] = [];
  for (const type of ["verified", "denied", "metered", "failed"] as const)
    emitter.on(type, (event) => void events.push({ type, event }));

  const charge: TestCharging["charge"] = (call, chargeOptions, run) => {
    const { name = "report", madeOf } = call;
    const policy = toPolicy(chargeOptions, name);
    const target = {
      kind: "call",
      name,
      id: `call ${name}`,
      policy,
      ...(madeOf !== undefined && { madeOf }),
    } as const;
    return chargeCall(toCall({ token, ...call }), target, (running) => finish(() => run(running)));
  };
  return {
    ledger,
    token,
    journalled,
    failJournal: fail,
    spans,
    inFlight,
    billed: () => ledger.usage.map(({ quantity }) => quantity),
    told: <Type extends keyof PaywallEvents>(asked: Type) =>
      events.flatMap(({ type, event }) => (type === asked ? [event as PaywallEvents[Type]] : [])),
    wait(milliseconds) {
      clock.time += milliseconds;
    },
    charge,
    call: async (call, chargeOptions, run = () => "ran") =>
      chargeResultOf(await charge(call, chargeOptions, run)),
  };
}

async function finish(run: () => unknown): Promise<FinishedRun> {
  const completion = await completionOf(run);
  if (completion.status === "threw") return { completion, outcome: { status: "failed" } };
  const { result } = completion;
  if (result === askInput) return { completion, outcome: { status: "input_required" } };
  return { completion, outcome: { status: "done", result } };
}

/** Makes a call as an adapter does. */
export function toCall(call: TestCall): Call {
  const { token, name = "report", args = {}, key, signal, round = "", sharesKey, madeOf } = call;
  const { digest, opaque } = fingerprint("call", name, args);
  return {
    kind: "call",
    name,
    args,
    token,
    tokenHash: hashToken(token ?? ""),
    signal,
    agentKey: key,
    ...(sharesKey !== undefined && { sharesKey }),
    madeOf,
    continues: call.continues ?? false,
    binding: () => digest,
    opaque: () => opaque,
    round: () => round,
  };
}

function createTestJournal() {
  const journalled: JournalEvent[] = [];
  let isFull = false;
  const journal: Journal = {
    directory: "in memory",
    async append(event) {
      if (isFull) throw new Error("the journal is full");
      journalled.push(event);
    },
    flush: async () => undefined,
    state: () => ({ pendingEvents: journalled.length, pendingBytes: 0, failedAttempts: 0 }),
    close: async () => journal.state(),
  };
  const fail = () => {
    isFull = true;
  };
  return { journal, journalled, fail };
}

function createTestTrace() {
  const spans: TestSpan[] = [];
  const trace: Trace = async (name, attributes, run, describe) => {
    const value = await run();
    spans.push({ name, attributes: { ...attributes, ...describe(value) } });
    return value;
  };
  return { trace, spans };
}

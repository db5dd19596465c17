import { type BudgetState, LicentricError } from "@licentric/sdk";
import type { Refusal } from "./refusal/refusal.ts";
import { stringProperty } from "./util/record.ts";

/** The subject of an event. */
export interface CallSubject {
  /** True if a tool was called, a prompt got or a resource read; "call" of anything else. */
  readonly kind: "tool" | "prompt" | "resource" | "call";
  /** The tool's or prompt's name, or the resource's URI. */
  readonly name: string;
}

/** Everything that the paywall tells. No event has a token, an argument or a result in it. */
export interface PaywallEvents {
  /** A credential was good, and the call goes on to its handler. */
  verified: CallSubject & {
    readonly accountId: string;
    readonly agentId: string;
    /** `cache`: trusted without a request; `offline`: authorized because the API could not be reached. */
    readonly source: "api" | "cache" | "offline";
    readonly budget: BudgetState | undefined;
  };
  /** A call was refused. */
  denied: CallSubject & { readonly refusal: Refusal; readonly agentId: string | undefined };
  /** Usage was recorded: by the API, or durably in the journal (`pending`). */
  metered: CallSubject & {
    readonly agentId: string;
    readonly meterName: string;
    readonly quantity: number;
    readonly idempotencyKey: string;
    /** The API had recorded this key before, so it was not counted again. */
    readonly duplicate: boolean;
    /** In the journal, on its way to the API. */
    readonly pending: boolean;
  };
  /** Events of the journal reached the API. */
  delivered: { readonly count: number };
  /** Something that the owner should look at: usage may be unbilled, or an option is wrong. */
  failed: {
    readonly reason: string;
    readonly error: unknown;
    readonly kind?: CallSubject["kind"];
    readonly name?: string;
    readonly agentId?: string;
    readonly meterName?: string;
    readonly quantity?: number;
  };
}

/** Hears one kind of event. What it throws or rejects with becomes a process warning, and nothing else. */
export type PaywallListener<Type extends keyof PaywallEvents> = (event: PaywallEvents[Type]) => void;

/** Tells listeners, in the order in which they came. */
export interface Emitter {
  on<Type extends keyof PaywallEvents>(type: Type, listener: PaywallListener<Type>): () => void;
  /** Hears events as {@link Emitter.on} does, on behalf of nobody: the terminal is told what no owner's listener hears. */
  observe<Type extends keyof PaywallEvents>(type: Type, listener: PaywallListener<Type>): void;
  emit<Type extends keyof PaywallEvents>(type: Type, event: PaywallEvents[Type]): void;
  /** Tells the owner's terminal and every `failed` listener of a mistake in the set-up, once for each reason. */
  warn(reason: string): void;
}

/** Most reasons that the terminal is told: what is wrong in more ways has its reasons in events. */
const MAX_REASONS = 100;

/** Makes an emitter. */
export function createEmitter(): Emitter {
  const listeners: { [Type in keyof PaywallEvents]: Set<PaywallListener<Type>> } = {
    verified: new Set(),
    denied: new Set(),
    metered: new Set(),
    delivered: new Set(),
    failed: new Set(),
  };
  const observers = new WeakSet<object>();
  const isUnheard = () => [...listeners.failed].every((listener) => observers.has(listener));
  const told = new Set<string>();
  const isNew = (reason: string) => !told.has(reason) && told.size < MAX_REASONS && Boolean(told.add(reason));
  const emitter: Emitter = {
    on(type, listener) {
      listeners[type].add(listener);
      return () => listeners[type].delete(listener);
    },
    observe(type, listener) {
      observers.add(listener);
      emitter.on(type, listener);
    },
    emit(type, event) {
      // Nobody else would hear of it. An error that is not the API's may have anything of the owner's in it.
      if (type === "failed" && isUnheard() && "reason" in event && isNew(event.reason))
        warnTerminal(`${sentenceOf(event)} Told once: paywall.on("failed", …) hears each.`);
      // Those that there are now: a listener may add others.
      for (const listener of [...listeners[type]]) {
        tell(listener, event, `a "${type}" listener of the paywall`);
      }
    },
    warn(reason) {
      if (!isNew(reason)) return;
      warnTerminal(reason);
      emitter.emit("failed", { reason, error: undefined });
    },
  };
  return emitter;
}

/** Writes to the terminal of the process's owner: to standard error, as standard output may be MCP's. */
export function warnTerminal(sentence: string): void {
  process.emitWarning(sentence, "LicentricWarning");
}

function sentenceOf({ reason, error }: PaywallEvents["failed"]): string {
  const said = saidBy(error);
  const isNews = said !== undefined && !reason.includes(said);
  return (isNews ? `${reason}: ${said}` : reason).replace(/\.?$/, ".");
}

/** The sentence of an error that is the client's or the journal's, which have nothing of a call in them. */
function saidBy(error: unknown): string | undefined {
  const isJournals = /^JOURNAL_/.test(stringProperty(error, "code") ?? "");
  return error instanceof LicentricError || isJournals ? stringProperty(error, "message") : undefined;
}

/**
 * Tells a listener of an owner's. What it throws, at once or later, becomes a process warning: it must neither cost a
 * caller its result nor end the process.
 *
 * @param what - the listener, for the warning's sentence
 */
export function tell<Event>(listener: (event: Event) => unknown, event: Event, what: string): void {
  const warn = (error: unknown) => warnTerminal(`${what} threw: ${stringOf(error)}`);
  try {
    // Asynchronous listeners are typed as if they returned nothing.
    const returned = listener(event);
    if (Object(returned) === returned) Promise.resolve(returned).catch(warn);
  } catch (error) {
    warn(error);
  }
}

/** Returns whatever was thrown as a string, which it may refuse to become. */
function stringOf(error: unknown): string {
  try {
    return String(error);
  } catch {
    return `a value of type ${typeof error}`;
  }
}

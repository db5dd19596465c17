import type { GateLimits } from "./exchange.ts";

/** The limits of a gate, each given. */
export interface Limits {
  readonly maxSessions: number;
  readonly maxAnonymousSessions: number;
  /** Bytes of one message of a client. */
  readonly maxClientBytes: number;
  /** Bytes of one message of an upstream. */
  readonly maxServerBytes: number;
  readonly idleTimeout: number;
  readonly anonymousIdleTimeout: number;
  readonly callTimeout: number;
  readonly connectTimeout: number;
}

const MEBIBYTE = 1_048_576;

/** Returns the limits that an owner gave, and the default ones in place of the rest. */
export function toLimits(given: GateLimits = {}): Limits {
  const { maxSessions = 1_000, idleTimeout = 30 * 60_000 } = given;
  return {
    maxSessions,
    maxAnonymousSessions: Math.min(maxSessions, given.maxAnonymousSessions ?? Math.ceil(maxSessions / 4)),
    maxClientBytes: given.maxMessageBytes ?? 4 * MEBIBYTE,
    maxServerBytes: given.maxMessageBytes ?? 32 * MEBIBYTE,
    idleTimeout,
    anonymousIdleTimeout: Math.min(idleTimeout, given.anonymousIdleTimeout ?? 2 * 60_000),
    callTimeout: given.callTimeout ?? 10 * 60_000,
    connectTimeout: given.connectTimeout ?? 10_000,
  };
}

/** The longest time that a timer takes. */
const NEVER = 2_147_483_647;

/** Returns the milliseconds that a request may take: one that listens takes as long as its client does. */
export function timeoutOf({ method }: { readonly method: string }, { callTimeout }: Limits): number {
  return method === "subscriptions/listen" ? NEVER : callTimeout;
}

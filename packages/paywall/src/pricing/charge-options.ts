import type { Caller } from "../credential/caller.ts";
import { isRecord } from "../util/record.ts";
import { isScopes, SCOPES_ADVICE } from "./scopes.ts";

/** The time at which a call is billed; see {@link ChargeOptions.charge}. */
export type ChargeMode = "call" | "success" | "reserve";

/** The price of one call, and who may make it. */
export interface ChargeOptions<Args = unknown, Result = unknown> {
  /**
   * The meter that counts the call, or a function of the arguments and the caller. Without one, callers are
   * verified and nothing is billed.
   */
  readonly meterName?: string | ((args: Args, caller: Caller) => string);
  /**
   * Units that a call bills: a whole number from 0 to 1 000 000 000, or a function of the arguments and the
   * caller; 1 by default, and 0 bills nothing. With `charge: "reserve"` it is the most that the call can cost.
   * A function that returns anything else, a promise too, refuses the call before its handler runs.
   */
  readonly quantity?: number | ((args: Args, caller: Caller) => number);
  /**
   * Units that were really used, read from the handler's result. Needs `charge: "success"` (the default where
   * this is given) or `"reserve"`. A function that throws or returns no whole number bills `quantity`, and a
   * `failed` event says so; an async function refuses the call before its handler runs. In reserve mode no more is
   * ever billed than was reserved.
   */
  readonly resultQuantity?: (result: Result, args: Args, caller: Caller) => number;
  /**
   * - `"call"` (default): verified and billed in one request before the handler runs.
   * - `"success"`: verified before, billed when the handler returned a result that is no error.
   * - `"reserve"`: `quantity` is reserved before, what was used is billed after, and the rest released, all of it on failure or cancellation.
   */
  readonly charge?: ChargeMode;
  /** Scopes that the caller's credential must have, for example `["mcp:invoke"]`. */
  readonly scopes?: readonly string[];
  /**
   * Refuse the call when it would exceed the agent's budget, checked and recorded in one atomic step; false by
   * default. With `charge: "success"` the quantity is reserved first, as in reserve mode: otherwise concurrent calls
   * could exceed the budget together.
   */
  readonly enforceBudget?: boolean;
  /** Tell the agent, in the result's `_meta`, when its budget is nearly used up; false by default. */
  readonly warnAgent?: boolean;
  /** The price of a unit, in the owner's words, for `tools/list` (for example `"0.01 USD per call"`). Only shown. */
  readonly price?: string;
  /** Seconds for which `charge: "reserve"` reserves units, 1 to 86400; 300 by default. Longer than the handler ever runs. */
  readonly reserveFor?: number;
}

/** Checked options. */
export interface Policy extends ChargeOptions {
  readonly charge: ChargeMode;
  readonly scopes: readonly string[];
  readonly enforceBudget: boolean;
  readonly warnAgent: boolean;
}

const OPTION_NAMES = new Set<string>([
  "meterName",
  "quantity",
  "resultQuantity",
  "charge",
  "scopes",
  "enforceBudget",
  "warnAgent",
  "price",
  "reserveFor",
] satisfies (keyof ChargeOptions)[]);

/** Largest quantity that one usage event may carry. */
export const MAX_QUANTITY = 1_000_000_000;

/** Returns whether a number can be billed, zero included. */
export function isQuantity(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_QUANTITY;
}

/** Returns whether a string can be a meter's name. */
export function isMeterName(value: unknown): value is string {
  return typeof value === "string" && /^[a-z][a-z0-9_.-]{0,63}$/.test(value);
}

/** Returns whether a value can be options at all: what a program in JavaScript hands over may be anything. */
export function isOptions(value: unknown): value is object {
  return isRecord(value) && !Array.isArray(value);
}

/** The sentence about options that are none. */
export const OPTIONS_ADVICE = 'options are an object such as { meterName: "api_calls" }';

/**
 * Checks that options and a handler come in their order.
 *
 * @param where - the function that takes them, for the error's sentence
 * @throws TypeError where one of them is missing or stands in the other's place
 */
export function checkWrapped(where: string, options: unknown, handler: unknown): void {
  if (isOptions(options) && typeof handler === "function") return;
  throw new TypeError(
    `${where} takes its options first and then the handler: ${where}({ meterName: "api_calls" }, handler)`,
  );
}

/**
 * Checks options and fills in what is left out.
 *
 * @param where - what the options are of, for the error's sentence
 * @throws TypeError saying what is wrong and what to do
 */
// biome-ignore lint/suspicious/noExplicitAny: options of any handler; a policy is applied to the handler it was made with
export function toPolicy(options: ChargeOptions<any, any>, where: string): Policy {
  const fail = (problem: string) => {
    throw new TypeError(`${where}: ${problem}`);
  };
  for (const name of Object.keys(options)) {
    if (!OPTION_NAMES.has(name))
      fail(`there is no option "${name}"; the options are ${[...OPTION_NAMES].join(", ")}`);
  }
  const { meterName, quantity, resultQuantity, reserveFor } = options;
  const charge = options.charge ?? (resultQuantity === undefined ? "call" : "success");
  const { scopes = [], enforceBudget = false, warnAgent = false } = options;
  if (!["call", "success", "reserve"].includes(charge)) fail('charge is "call", "success" or "reserve"');
  if (meterName === undefined) {
    if (quantity !== undefined || resultQuantity !== undefined)
      fail("a quantity needs a meterName to be counted on");
    if (options.charge === "reserve") fail('charge "reserve" needs a meterName to reserve units of');
  } else if (typeof meterName !== "function" && !isMeterName(meterName)) {
    fail(
      `"${meterName}" is not a valid meter name: 1 to 64 lower-case letters, digits, "_", ".", "-", beginning with a letter`,
    );
  }
  if (quantity !== undefined && typeof quantity !== "function" && !isQuantity(quantity)) {
    fail(
      `quantity is a whole number from 0 to ${MAX_QUANTITY}, not ${quantity}; to bill fractions, give the meter a smaller unit`,
    );
  }
  if (resultQuantity !== undefined && charge === "call") {
    fail('resultQuantity is known only after the handler: set charge to "success" or "reserve"');
  }
  if (!isScopes(scopes)) fail(SCOPES_ADVICE);
  if (
    reserveFor !== undefined &&
    !(Number.isInteger(reserveFor) && reserveFor >= 1 && reserveFor <= 86_400)
  ) {
    fail("reserveFor is a whole number of seconds from 1 to 86400");
  }
  return { ...options, charge, scopes, enforceBudget, warnAgent };
}

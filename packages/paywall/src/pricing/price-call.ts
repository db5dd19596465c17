import type { Caller } from "../credential/caller.ts";
import { property } from "../util/record.ts";
import { isMeterName, isQuantity, MAX_QUANTITY, type Policy } from "./charge-options.ts";

/** A meter and the quantity that a call costs on it. */
export interface Line {
  readonly meterName: string;
  readonly quantity: number;
}

/** An owner's function returned something that cannot be billed. */
export class PriceError extends Error {
  static {
    PriceError.prototype.name = "BillError";
  }
}

/** Stands in for a caller who is not known yet: most functions read the arguments alone. */
function unknownCaller(): { readonly caller: Caller; wasRead(): boolean } {
  let isRead = false;
  // Also where the owner's function catches it, and returns something all the same.
  const fail = (): never => {
    isRead = true;
    throw new Error("the caller is not known yet");
  };
  const caller: Caller = {
    get accountId() {
      return fail();
    },
    get agentId() {
      return fail();
    },
    get scopes() {
      return fail();
    },
    get expiresAt() {
      return fail();
    },
    get budget() {
      return fail();
    },
  };
  return { caller, wasRead: () => isRead };
}

/**
 * Computes what a call costs; undefined where that is nothing. Owner's functions that read their caller are run again
 * once it is known.
 *
 * @param identify - finds out who calls; called at most once, and only where a function reads its caller
 * @throws BillError where a function throws or returns what cannot be billed
 */
export async function priceCall(
  policy: Policy,
  args: unknown,
  identify: () => Promise<Caller>,
): Promise<Line | undefined> {
  if (policy.meterName === undefined) return undefined;
  // Its result will be too late: the handler has run by then.
  if (isAsync(policy.resultQuantity)) throw promiseError("resultQuantity");
  const read = (caller: Caller) => ({
    meterName:
      typeof policy.meterName === "function"
        ? atOnce("meterName", policy.meterName(args, caller))
        : policy.meterName,
    quantity:
      typeof policy.quantity === "function"
        ? atOnce("quantity", policy.quantity(args, caller))
        : (policy.quantity ?? 1),
  });
  let line: ReturnType<typeof read> | undefined;
  const unknown = unknownCaller();
  try {
    line = read(unknown.caller);
  } catch (error) {
    if (!unknown.wasRead()) throw asPriceError(error);
  }
  if (line === undefined || unknown.wasRead()) {
    const caller = await identify();
    try {
      line = read(caller);
    } catch (error) {
      throw asPriceError(error);
    }
  }
  const { meterName, quantity } = line;
  if (!isMeterName(meterName))
    throw new PriceError(`meterName returned ${shown(meterName)}, which is not a valid meter name`);
  if (!isQuantity(quantity)) throw quantityError("quantity", quantity);
  return quantity === 0 ? undefined : { meterName, quantity };
}

/**
 * The quantity that a result costs.
 *
 * @throws BillError where the function throws or returns what cannot be billed
 */
export function computeResultQuantity(
  resultQuantity: NonNullable<Policy["resultQuantity"]>,
  result: unknown,
  args: unknown,
  caller: Caller,
): number {
  let quantity: unknown;
  try {
    quantity = atOnce("resultQuantity", resultQuantity(result, args, caller));
  } catch (error) {
    throw asPriceError(error, "resultQuantity");
  }
  if (!isQuantity(quantity)) throw quantityError("resultQuantity", quantity);
  return quantity;
}

function asPriceError(error: unknown, name = "meterName or quantity"): PriceError {
  return error instanceof PriceError ? error : new PriceError(`${name} threw`, { cause: error });
}

/**
 * Returns what an owner's function returned.
 *
 * @throws BillError where that is a promise: nobody waits for it, and what it rejects with must not end the process
 */
function atOnce<Value>(name: string, value: Value): Value {
  if (typeof property(value, "then") !== "function") return value;
  Promise.resolve(value).catch(() => undefined);
  throw promiseError(name);
}

function promiseError(name: string): PriceError {
  return new PriceError(`${name} returned a promise; it has to return at once, so it cannot be async`);
}

function isAsync(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object AsyncFunction]";
}

function quantityError(name: string, value: unknown): PriceError {
  return new PriceError(
    `${name} returned ${shown(value)}, not a whole number from 0 to ${MAX_QUANTITY}; to bill fractions, give the meter a smaller unit`,
  );
}

/** Describes a returned value for the owner: strings and objects may be an argument, or a part of a result. */
function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : `a value of type ${typeof value}`;
}

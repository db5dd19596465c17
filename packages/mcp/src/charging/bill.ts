import type { Caller } from "../caller.ts";
import { isMeterName, isQuantity, MAX_QUANTITY, type Policy } from "./policy.ts";

/** What a call costs. */
export interface Bill {
  readonly meterName: string;
  readonly quantity: number;
}

/** An owner's function answered something that cannot be billed. */
export class BillError extends Error {
  static {
    BillError.prototype.name = "BillError";
  }
}

class CallerNeeded extends Error {}

function needCaller(): never {
  throw new CallerNeeded();
}

/** Stands in for a caller who is not known yet: most functions read the arguments alone. */
const unknownCaller: Caller = {
  get accountId() {
    return needCaller();
  },
  get agentId() {
    return needCaller();
  },
  get scopes() {
    return needCaller();
  },
  get expiresAt() {
    return needCaller();
  },
  get budget() {
    return needCaller();
  },
};

/**
 * What a call costs, or undefined where it costs nothing. Owner's functions that read their caller are run again
 * once it is known.
 *
 * @param identify - finds out who calls; called at most once, and only where a function reads its caller
 * @throws BillError where a function throws or its answer cannot be billed
 */
export async function computeBill(
  policy: Policy,
  args: unknown,
  identify: () => Promise<Caller>,
): Promise<Bill | undefined> {
  if (policy.meterName === undefined) return undefined;
  const read = (caller: Caller) => ({
    meterName: typeof policy.meterName === "function" ? policy.meterName(args, caller) : policy.meterName,
    quantity: typeof policy.quantity === "function" ? policy.quantity(args, caller) : (policy.quantity ?? 1),
  });
  let bill: ReturnType<typeof read>;
  try {
    bill = read(unknownCaller);
  } catch (error) {
    if (!(error instanceof CallerNeeded))
      throw new BillError(`meterName or quantity threw: ${String(error)}`, { cause: error });
    const caller = await identify();
    try {
      bill = read(caller);
    } catch (inner) {
      throw new BillError(`meterName or quantity threw: ${String(inner)}`, { cause: inner });
    }
  }
  const { meterName, quantity } = bill;
  if (!isMeterName(meterName))
    throw new BillError(`meterName answered ${String(meterName)}, which is no meter's name`);
  if (!isQuantity(quantity)) throw quantityError("quantity", quantity);
  return quantity === 0 ? undefined : { meterName, quantity };
}

/**
 * The quantity that a result costs.
 *
 * @throws BillError where the function throws or its answer cannot be billed
 */
export function computeResultQuantity(
  resultQuantity: NonNullable<Policy["resultQuantity"]>,
  result: unknown,
  args: unknown,
  caller: Caller,
): number {
  let quantity: unknown;
  try {
    quantity = resultQuantity(result, args, caller);
  } catch (error) {
    throw new BillError(`resultQuantity threw: ${String(error)}`, { cause: error });
  }
  if (!isQuantity(quantity)) throw quantityError("resultQuantity", quantity);
  return quantity;
}

function quantityError(name: string, value: unknown): BillError {
  return new BillError(
    `${name} answered ${typeof value === "object" ? typeof value : String(value)}, not a whole number from 0 to ${MAX_QUANTITY}; to bill fractions, give the meter a smaller unit`,
  );
}

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

/** Stands in for a caller who is not known yet: most functions read the arguments alone. */
function unknownCaller(): { readonly caller: Caller; wasRead(): boolean } {
  let isRead = false;
  // Also where the owner's function catches it, and answers something all the same.
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
  let bill: ReturnType<typeof read> | undefined;
  const unknown = unknownCaller();
  try {
    bill = read(unknown.caller);
  } catch (error) {
    if (!unknown.wasRead()) throw new BillError("meterName or quantity threw", { cause: error });
  }
  if (bill === undefined || unknown.wasRead()) {
    const caller = await identify();
    try {
      bill = read(caller);
    } catch (error) {
      throw new BillError("meterName or quantity threw", { cause: error });
    }
  }
  const { meterName, quantity } = bill;
  if (!isMeterName(meterName))
    throw new BillError(`meterName answered ${shown(meterName)}, which is no meter's name`);
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
    throw new BillError("resultQuantity threw", { cause: error });
  }
  if (!isQuantity(quantity)) throw quantityError("resultQuantity", quantity);
  return quantity;
}

function quantityError(name: string, value: unknown): BillError {
  return new BillError(
    `${name} answered ${shown(value)}, not a whole number from 0 to ${MAX_QUANTITY}; to bill fractions, give the meter a smaller unit`,
  );
}

/** An answer for the owner's eyes: texts and objects may be an argument, or a part of a result. */
function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : `a value of type ${typeof value}`;
}

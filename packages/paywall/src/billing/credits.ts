import { randomUUID } from "node:crypto";
import type { Bill } from "../pricing/price-call.ts";
import { Refused } from "../refusal/refused.ts";
import { priceName } from "./billing-key.ts";
import type { Conditions, TellerParts } from "./billing-requests.ts";
import type { Caller } from "./caller.ts";
import type { Order } from "./charge-context.ts";
import type { Gateway } from "./gateway.ts";
import type { Sender, Sent, Taken, Unserved } from "./unserved.ts";

/** What one call pays by: what its agent was billed for nothing, and what is billed for this call. */
export interface Credit {
  /** Units that are known to be billed. */
  quantity(): number;
  /** Who calls, where billing has told it. */
  caller(): Caller | undefined;
  /** Finds out which commits were recorded, up to so many units, and rules the others out. Bills nothing. */
  lookUp(order: Order, wanted: number): Promise<void>;
  /**
   * Bills what is not billed yet, under keys that may have been recorded: one that was not is used for it.
   *
   * @param isAll - whether the rest is billed, too, under a new key
   */
  bill(order: Order, bill: Bill, asked: Conditions, isAll: boolean): Promise<void>;
  /** Has the call use it up; what is left is for the agent's next call. */
  spend(order: Order, caller: Caller, bill: Bill): void;
  /** Keeps all of it for the agent's next call. */
  putBack(): void;
}

/** What credits need. */
export interface CreditsOptions {
  readonly gateway: Gateway;
  readonly unserved: Unserved;
  readonly now: () => number;
  readonly parts: Pick<TellerParts, "refusedBy" | "optionsFor" | "record" | "metered">;
}

/** Quantities that one key is sent with at most: each may have to be asked for to find out which one is recorded. */
const TRIED = 16;

/** What was taken for a call. */
interface Purse {
  readonly name: string;
  readonly from: Sender;
  billed: readonly Billed[];
  caller: Caller | undefined;
}

interface Billed {
  readonly key: string;
  readonly quantity: number;
  readonly at: number;
  /** Whether it was recorded for an earlier call. */
  readonly duplicate: boolean;
}

const unitsOf = ({ billed }: Purse) => billed.reduce((sum, { quantity }) => sum + quantity, 0);

/** Makes the function that opens the credit which the sender of an order has at its price. */
export function createCredits({
  gateway,
  unserved,
  now,
  parts,
}: CreditsOptions): (order: Order, from: Sender) => Credit {
  const put = ({ name, from }: Purse, sent: Sent) => unserved.put(name, sent, from);
  const keep = (purse: Purse, { key, at }: Billed, quantity: number) =>
    put(purse, { key, at, until: now(), quantities: [quantity], state: "recorded" });

  function putBack(purse: Purse): void {
    for (const one of purse.billed) keep(purse, one, one.quantity);
    purse.billed = [];
  }

  /** Whether a commit was recorded; where not, it cannot be any more. */
  async function isRecorded(order: Order, { key, state }: Sent): Promise<boolean> {
    if (state === "recorded") return true;
    const answer = await gateway.release(order.token, key, parts.optionsFor(order));
    if ("refusal" in answer) throw parts.refusedBy(order, answer);
    return answer.value.committed;
  }

  async function lookUp(purse: Purse, order: Order, wanted: number): Promise<void> {
    while (unitsOf(purse) < wanted) {
      const taken = unserved.take(purse.name, purse.from, ({ state }) => state !== "recording");
      if (taken === undefined) return;
      const { key, at, quantities } = taken.sent;
      try {
        if (!(await isRecorded(order, taken.sent))) continue;
      } catch (error) {
        put(purse, taken.sent);
        putBack(purse);
        throw error;
      }
      const [quantity = 0] = quantities;
      purse.billed = [...purse.billed, { key, at, quantity, duplicate: true }];
    }
  }

  async function record(purse: Purse, order: Order, bill: Bill, sent: Sent, asked: Conditions) {
    const { caller, duplicate, wasRecorded } = await parts.record(order, bill, sent, asked);
    purse.caller = caller;
    const { key, at } = sent;
    purse.billed = [...purse.billed, { key, at, quantity: bill.quantity, duplicate }];
    return wasRecorded;
  }

  /** Has a key record what is due, or finds out what it has recorded before. */
  async function recordUnder(purse: Purse, order: Order, bill: Bill, taken: Taken, asked: Conditions) {
    const { sent } = taken;
    // Once it is known that one of the others is recorded, none of them can be recorded by asking for it.
    const due = sent.quantities.length < TRIED ? [bill.quantity] : [];
    for (const quantity of new Set([...due, ...sent.quantities])) {
      try {
        if (await record(purse, order, { ...bill, quantity }, sent, asked)) taken.confirm();
        return;
      } catch (error) {
        const code = error instanceof Refused ? error.refusal.code : undefined;
        // What was recorded is answered as such, whatever is left of a budget.
        if (code === "budget_exceeded") return;
        if (code !== "idempotency_conflict") throw error;
      }
    }
  }

  async function billAll(
    purse: Purse,
    order: Order,
    bill: Bill,
    asked: Conditions,
    isAll: boolean,
  ): Promise<void> {
    for (let left = bill.quantity - unitsOf(purse); left > 0; left = bill.quantity - unitsOf(purse)) {
      const taken = unserved.take(purse.name, purse.from, ({ state }) => state === "recording");
      if (taken === undefined && !isAll) return;
      const at = now();
      const sent: Sent = taken?.sent ?? {
        key: randomUUID(),
        at,
        until: at,
        quantities: [],
        state: "recording",
      };
      const due = { ...bill, quantity: left };
      try {
        if (taken === undefined) await record(purse, order, due, sent, asked);
        else await recordUnder(purse, order, due, taken, asked);
      } catch (error) {
        const isSent = error instanceof Refused && error.mayBeRecorded;
        const quantities = isSent
          ? [...new Set([...sent.quantities, left])].slice(0, TRIED)
          : sent.quantities;
        if (quantities.length > 0) put(purse, { ...sent, quantities, until: now() });
        putBack(purse);
        throw error;
      }
    }
  }

  function spend(purse: Purse, order: Order, caller: Caller, bill: Bill): void {
    let left = bill.quantity;
    for (const one of purse.billed) {
      const { key, duplicate } = one;
      const quantity = Math.min(left, one.quantity);
      left -= quantity;
      if (quantity > 0)
        parts.metered(order, caller, { ...bill, quantity }, key, { duplicate, pending: false });
      if (quantity < one.quantity) keep(purse, one, one.quantity - quantity);
    }
    purse.billed = [];
  }

  return (order, from) => {
    const purse: Purse = { name: priceName(order), from, billed: [], caller: undefined };
    return {
      quantity: () => unitsOf(purse),
      caller: () => purse.caller,
      lookUp: (by, wanted) => lookUp(purse, by, wanted),
      bill: (by, bill, asked, isAll) => billAll(purse, by, bill, asked, isAll),
      spend: (by, caller, bill) => spend(purse, by, caller, bill),
      putBack: () => putBack(purse),
    };
  };
}

/** Waits for something without which a call cannot go on: its credit is kept for the next one. */
export async function orPutBack<Value>(credit: Credit, step: Promise<Value>): Promise<Value> {
  try {
    return await step;
  } catch (error) {
    credit.putBack();
    throw error;
  }
}

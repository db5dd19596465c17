import { randomUUID } from "node:crypto";
import type { Line } from "../pricing/price-call.ts";
import { Refused } from "../refusal/refused.ts";
import { priceName } from "./billing-key.ts";
import type { BillingRequests, Conditions } from "./billing-requests.ts";
import type { Caller } from "./caller.ts";
import type { ChargeContext } from "./charge-context.ts";
import type { Gateway } from "./gateway.ts";
import type { Sender, Sent, Taken, Unserved } from "./unserved.ts";

/** What one call pays by: what its agent was billed for nothing, and what is billed for this call. */
export interface Credit {
  /** Units that are known to be billed. */
  quantity(): number;
  /** Who calls, where billing has told it. */
  caller(): Caller | undefined;
  /** Finds out which commits were recorded, up to so many units, and rules the others out. Bills nothing. */
  lookUp(context: ChargeContext, wanted: number): Promise<void>;
  /**
   * Bills what is not billed yet, under keys that may have been recorded: one that was not is used for it.
   *
   * @param isAll - whether the rest is billed, too, under a new key
   */
  recordDue(context: ChargeContext, line: Line, asked: Conditions, isAll: boolean): Promise<void>;
  /** Has the call use it up; what is left is for the agent's next call. */
  spend(context: ChargeContext, caller: Caller, line: Line): void;
  /** Keeps all of it for the agent's next call. */
  putBack(): void;
}

/** What credits need. */
export interface CreditsOptions {
  readonly gateway: Gateway;
  readonly unserved: Unserved;
  readonly now: () => number;
  readonly parts: Pick<BillingRequests, "refusedBy" | "optionsFor" | "record" | "metered">;
}

/** Quantities that one key is sent with at most: each may have to be asked for to find out which one is recorded. */
const TRIED = 16;

/** What was taken for a call. */
interface OpenCredit {
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

const unitsOf = ({ billed }: OpenCredit) => billed.reduce((sum, { quantity }) => sum + quantity, 0);

/** Makes the function that opens the credit which the sender of an order has at its price. */
export function createCredits({
  gateway,
  unserved,
  now,
  parts,
}: CreditsOptions): (context: ChargeContext, from: Sender) => Credit {
  const put = ({ name, from }: OpenCredit, sent: Sent) => unserved.put(name, sent, from);
  const keep = (open: OpenCredit, { key, at }: Billed, quantity: number) =>
    put(open, { key, at, until: now(), quantities: [quantity], state: "recorded" });

  function putBack(open: OpenCredit): void {
    for (const one of open.billed) keep(open, one, one.quantity);
    open.billed = [];
  }

  /** Whether a commit was recorded; where not, it cannot be any more. */
  async function isRecorded(context: ChargeContext, { key, state }: Sent): Promise<boolean> {
    if (state === "recorded") return true;
    const response = await gateway.release(context.token, key, parts.optionsFor(context));
    if ("refusal" in response) throw parts.refusedBy(context, response);
    return response.value.committed;
  }

  async function lookUp(open: OpenCredit, context: ChargeContext, wanted: number): Promise<void> {
    while (unitsOf(open) < wanted) {
      const taken = unserved.take(open.name, open.from, ({ state }) => state !== "recording");
      if (taken === undefined) return;
      const { key, at, quantities } = taken.sent;
      try {
        if (!(await isRecorded(context, taken.sent))) continue;
      } catch (error) {
        put(open, taken.sent);
        putBack(open);
        throw error;
      }
      const [quantity = 0] = quantities;
      open.billed = [...open.billed, { key, at, quantity, duplicate: true }];
    }
  }

  async function record(open: OpenCredit, context: ChargeContext, line: Line, sent: Sent, asked: Conditions) {
    const { caller, duplicate, wasRecorded } = await parts.record(context, line, sent, asked);
    open.caller = caller;
    const { key, at } = sent;
    open.billed = [...open.billed, { key, at, quantity: line.quantity, duplicate }];
    return wasRecorded;
  }

  /** Has a key record what is due, or finds out what it has recorded before. */
  async function recordUnder(
    open: OpenCredit,
    context: ChargeContext,
    line: Line,
    taken: Taken,
    asked: Conditions,
  ) {
    const { sent } = taken;
    // Once it is known that one of the others is recorded, none of them can be recorded by asking for it.
    const due = sent.quantities.length < TRIED ? [line.quantity] : [];
    for (const quantity of new Set([...due, ...sent.quantities])) {
      try {
        if (await record(open, context, { ...line, quantity }, sent, asked)) taken.confirm();
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
    open: OpenCredit,
    context: ChargeContext,
    line: Line,
    asked: Conditions,
    isAll: boolean,
  ): Promise<void> {
    for (let left = line.quantity - unitsOf(open); left > 0; left = line.quantity - unitsOf(open)) {
      const taken = unserved.take(open.name, open.from, ({ state }) => state === "recording");
      if (taken === undefined && !isAll) return;
      const at = now();
      const sent: Sent = taken?.sent ?? {
        key: randomUUID(),
        at,
        until: at,
        quantities: [],
        state: "recording",
      };
      const due = { ...line, quantity: left };
      try {
        if (taken === undefined) await record(open, context, due, sent, asked);
        else await recordUnder(open, context, due, taken, asked);
      } catch (error) {
        const isSent = error instanceof Refused && error.mayBeRecorded;
        const quantities = isSent
          ? [...new Set([...sent.quantities, left])].slice(0, TRIED)
          : sent.quantities;
        if (quantities.length > 0) put(open, { ...sent, quantities, until: now() });
        putBack(open);
        throw error;
      }
    }
  }

  function spend(open: OpenCredit, context: ChargeContext, caller: Caller, line: Line): void {
    let left = line.quantity;
    for (const one of open.billed) {
      const { key, duplicate } = one;
      const quantity = Math.min(left, one.quantity);
      left -= quantity;
      if (quantity > 0)
        parts.metered(context, caller, { ...line, quantity }, key, { duplicate, pending: false });
      if (quantity < one.quantity) keep(open, one, one.quantity - quantity);
    }
    open.billed = [];
  }

  return (context, from) => {
    const open: OpenCredit = { name: priceName(context), from, billed: [], caller: undefined };
    return {
      quantity: () => unitsOf(open),
      caller: () => open.caller,
      lookUp: (by, wanted) => lookUp(open, by, wanted),
      recordDue: (by, line, asked, isAll) => billAll(open, by, line, asked, isAll),
      spend: (by, caller, line) => spend(open, by, caller, line),
      putBack: () => putBack(open),
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

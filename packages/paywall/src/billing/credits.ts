import { randomUUID } from "node:crypto";
import type { Caller } from "../credential/caller.ts";
import type { Line } from "../pricing/price-call.ts";
import { mayBeRecorded, RefusedError } from "../refusal/refused-error.ts";
import { priceName } from "./billing-key.ts";
import {
  type BillingParts,
  type Conditions,
  emitMetered,
  record,
  refusedBy,
  requestOptions,
} from "./billing-requests.ts";
import type { ChargeContext } from "./charge-context.ts";
import type { Sender, Sent, Taken } from "./unserved.ts";

/** Usage that one call pays with: what its agent was billed for without a result, and what is billed for this call. */
export interface Credit {
  /** Units that are known to be billed. */
  quantity(): number;
  /** Returns the caller, where billing has told it. */
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

/** Quantities that one key is sent with at most: each may have to be asked for to find out which one is recorded. */
const TRIED = 16;

/** The credit of one call. */
interface OpenCredit {
  readonly parts: BillingParts;
  readonly name: string;
  readonly from: Sender;
  billed: readonly Billed[];
  caller: Caller | undefined;
}

interface Billed {
  readonly key: string;
  readonly quantity: number;
  readonly at: number;
  /** True if it was recorded for an earlier call. */
  readonly duplicate: boolean;
}

const unitsOf = ({ billed }: OpenCredit) => billed.reduce((sum, { quantity }) => sum + quantity, 0);

function put({ parts, name, from }: OpenCredit, sent: Sent): void {
  parts.unserved.put(name, sent, from);
}

function keep(open: OpenCredit, { key, at }: Billed, quantity: number): void {
  put(open, { key, at, until: open.parts.now(), quantities: [quantity], state: "recorded" });
}

function putBack(open: OpenCredit): void {
  for (const one of open.billed) keep(open, one, one.quantity);
  open.billed = [];
}

/** Returns whether a commit was recorded; if not, it cannot be any more. */
async function isRecorded(parts: BillingParts, context: ChargeContext, sent: Sent): Promise<boolean> {
  if (sent.state === "recorded") return true;
  const response = await parts.gateway.release(context.token, sent.key, requestOptions(parts, context));
  if ("refusal" in response) throw refusedBy(parts, context, response);
  return response.value.committed;
}

async function lookUp(open: OpenCredit, context: ChargeContext, wanted: number): Promise<void> {
  while (unitsOf(open) < wanted) {
    const taken = open.parts.unserved.take(open.name, open.from, ({ state }) => state !== "recording");
    if (taken === undefined) return;
    const { key, at, quantities } = taken.sent;
    try {
      if (!(await isRecorded(open.parts, context, taken.sent))) continue;
    } catch (error) {
      put(open, taken.sent);
      putBack(open);
      throw error;
    }
    const [quantity = 0] = quantities;
    open.billed = [...open.billed, { key, at, quantity, duplicate: true }];
  }
}

async function recordIn(
  open: OpenCredit,
  context: ChargeContext,
  line: Line,
  sent: Sent,
  asked: Conditions,
): Promise<boolean> {
  const { caller, duplicate, wasRecorded } = await record(open.parts, context, line, sent, asked);
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
): Promise<void> {
  const { sent } = taken;
  // Once it is known that one of the others is recorded, none of them can be recorded by asking for it.
  const due = sent.quantities.length < TRIED ? [line.quantity] : [];
  for (const quantity of new Set([...due, ...sent.quantities])) {
    try {
      if (await recordIn(open, context, { ...line, quantity }, sent, asked)) taken.confirm();
      return;
    } catch (error) {
      const code = error instanceof RefusedError ? error.refusal.code : undefined;
      // What was recorded is answered as such, whatever is left of a budget.
      if (code === "budget_exceeded") return;
      if (code !== "idempotency_conflict") throw error;
    }
  }
}

async function recordDue(
  open: OpenCredit,
  context: ChargeContext,
  line: Line,
  asked: Conditions,
  isAll: boolean,
): Promise<void> {
  const { unserved, now } = open.parts;
  for (let left = line.quantity - unitsOf(open); left > 0; left = line.quantity - unitsOf(open)) {
    const taken = unserved.take(open.name, open.from, ({ state }) => state === "recording");
    if (taken === undefined && !isAll) return;
    const at = now();
    const fresh = { key: randomUUID(), at, until: at, quantities: [], state: "recording" } as const;
    const sent: Sent = taken?.sent ?? fresh;
    const due = { ...line, quantity: left };
    try {
      if (taken === undefined) await recordIn(open, context, due, sent, asked);
      else await recordUnder(open, context, due, taken, asked);
    } catch (error) {
      const isSent = mayBeRecorded(error);
      const quantities = isSent ? [...new Set([...sent.quantities, left])].slice(0, TRIED) : sent.quantities;
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
    const how = { duplicate, pending: false };
    if (quantity > 0) emitMetered(open.parts, context, caller, { ...line, quantity }, key, how);
    if (quantity < one.quantity) keep(open, one, one.quantity - quantity);
  }
  open.billed = [];
}

/** Opens the credit that the sender of a call has at its price. */
export function openCredit(parts: BillingParts, context: ChargeContext, from: Sender): Credit {
  const open: OpenCredit = { parts, name: priceName(context), from, billed: [], caller: undefined };
  return {
    quantity: () => unitsOf(open),
    caller: () => open.caller,
    lookUp: (by, wanted) => lookUp(open, by, wanted),
    recordDue: (by, line, asked, isAll) => recordDue(open, by, line, asked, isAll),
    spend: (by, caller, line) => spend(open, by, caller, line),
    putBack: () => putBack(open),
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

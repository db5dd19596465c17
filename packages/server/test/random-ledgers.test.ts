import Big from "big.js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { checkTotals } from "../src/metering/check-totals.ts";
import { type Answer, closeCurrentPeriod, startTestApi, type TestApi } from "./support/api.ts";
import { billedAccount, METER } from "./support/billed-account.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

/** A generator of numbers from 0 to 1 that gives the same ones for the same seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Book {
  used: number;
  adjusted: number;
  carried: number;
}

const PRICES: Record<string, object> = {
  pages: { model: "per_unit", unitPrice: "0.003" },
  tokens: {
    model: "graduated",
    tiers: [
      { upTo: 20, unitPrice: "0.05", flatPrice: "0.1" },
      { upTo: null, unitPrice: "0.007" },
    ],
    includedQuantity: 5,
    minimumAmount: "0.75",
  },
  packs: { model: "package", packageSize: 7, packagePrice: "1.001" },
  trials: { model: "per_unit", unitPrice: "0.02", allowance: { quantity: 8, every: "period" } },
};

/** A price per unit that pages have for everybody, or one customer's own; in thousandths, null for none of its own. */
interface PagePrices {
  everybody: number;
  own: number | null;
}

/** The prices of the model in thousandths, of a quantity; those of pages change. */
const THOUSANDTHS: Record<string, (quantity: number, free: number) => number> = {
  [METER]: (quantity) => quantity * 100,
  tokens: (quantity) => {
    const charged = Math.max(0, quantity - 5);
    const tiers = charged === 0 ? 0 : 100 + Math.min(charged, 20) * 50 + Math.max(0, charged - 20) * 7;
    return quantity === 0 ? 0 : Math.max(750, tiers);
  },
  packs: (quantity) => Math.ceil(quantity / 7) * 1001,
  trials: (quantity, free) => Math.max(0, quantity - free) * 20,
};

/** A discount or a minimum of the model: what it does to a sum of cents, and for how many periods more. */
interface Term {
  readonly apply: (cents: number) => number;
  left: number;
}

/** Of the period that runs, and what was agreed from the next one on. */
interface Agreed {
  now: Term | null;
  next?: Term | null;
}

/** Goes on to the next period. */
function passPeriod(agreed: Agreed): void {
  if (agreed.now !== null) agreed.now.left -= 1;
  if (agreed.next === undefined) return;
  agreed.now = agreed.next;
  delete agreed.next;
}

const inForceOf = ({ now }: Agreed) => (now !== null && now.left > 0 ? now : null);

const decimal = (cents: number) => (cents / 100).toFixed(2);

interface Previewed {
  readonly customerId: string | null;
  readonly total: string;
  readonly lines: readonly { meterName: string; quantity: number; amount: string }[];
  readonly subtotal?: string;
  readonly discount?: { readonly amount: string };
  readonly minimum?: { readonly amount: string };
}

/** An invoice of the model. */
interface Due {
  readonly customerId: string | null;
  readonly lines: readonly { readonly quantity: number }[];
  readonly total: string;
}

interface AgentCost {
  readonly customerId: string | null;
  readonly meterName: string;
  readonly cost: string;
}

const asPreviewed = ({ customerId, total, lines, subtotal, discount, minimum }: Previewed): Previewed => ({
  customerId,
  total,
  lines,
  ...(subtotal && { subtotal }),
  ...(discount && { discount }),
  ...(minimum && { minimum }),
});

const SEEDS = [1, 2, 3, 4, 5, 6];

describeOnEachDatabase("a random ledger on $name", (database) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(database, { logLevel: "silent" });
  }, 60_000);
  afterAll(() => api.close());

  const seen = { discounts: 0, minimums: 0 };

  it.each(SEEDS)(
    "is what a little model of it says, seed %i",
    async (seed) => {
      const random = seeded(seed);
      const pick = <Item>(items: readonly Item[]): Item => {
        const item = items[Math.floor(random() * items.length)];
        if (item === undefined) throw new Error("there is nothing to pick from");
        return item;
      };
      const upTo = (most: number) => 1 + Math.floor(random() * most);
      const { key, get, customer, agentId, own, use, adjust, refund, invoicesOf, check, make } =
        await billedAccount(api);
      for (const [name, price] of Object.entries(PRICES)) await make("meters", { name, price });
      const books = new Map<string, Book>();
      const bookOf = (payer: string | null, meter: string): Book => {
        const name = `${payer} ${meter}`;
        const book = books.get(name) ?? { used: 0, adjusted: 0, carried: 0 };
        books.set(name, book);
        return book;
      };
      /** Of the period that runs, and what was set since for the next one. */
      const inForce: PagePrices = { everybody: 3, own: null };
      const set: PagePrices = { ...inForce };
      const [pages] = await get("meters?name=pages");
      const setPagePrice = async () => {
        const thousandths = upTo(9);
        const own = random() < 0.6;
        const none = own && random() < 0.3;
        await make(`meters/${pages.id}/prices`, {
          price: none ? null : { model: "per_unit", unitPrice: `0.00${thousandths}` },
          ...(own && { customerId: customer }),
        });
        if (own) set.own = none ? null : thousandths;
        else set.everybody = thousandths;
      };
      const discount: Agreed = { now: null };
      const minimum: Agreed = { now: null };
      /** Agrees on something for one to three periods or for good, from the running one on or the next, or ends it. */
      const agree = async (agreed: Agreed, path: string, terms: object, apply: Term["apply"]) => {
        const none = random() < 0.15;
        const left = random() < 0.5 ? upTo(3) : Number.POSITIVE_INFINITY;
        const { startsAt } = await get("billing/periods/current");
        const fromNext = random() < 0.3;
        const ended = Object.fromEntries(
          Object.keys(terms).flatMap((name) => (name === "reason" ? [] : [[name, null]])),
        );
        await make(`customers/${customer}/${path}`, {
          ...(none ? ended : terms),
          ...(!none && Number.isFinite(left) && { periods: left }),
          effectiveFrom: fromNext ? new Date().toISOString() : startsAt,
        });
        const term = none ? null : { apply, left };
        if (fromNext) agreed.next = term;
        else agreed.now = term;
      };
      const setTerm = async () => {
        const chance = random();
        if (chance < 0.4) {
          const cents = upTo(1_500);
          await agree(minimum, "minimums", { minimum: decimal(cents) }, (rest) => Math.max(0, cents - rest));
        } else if (chance < 0.7) {
          const cents = upTo(900);
          const terms = { discount: { model: "amount", amount: decimal(cents) }, reason: "a promise" };
          await agree(discount, "discounts", terms, (sum) => Math.min(sum, cents));
        } else {
          const tenths = upTo(1_000);
          const percent = (tenths / 10).toFixed(1);
          const terms = { discount: { model: "percent", percent }, reason: "a launch" };
          await agree(discount, "discounts", terms, (sum) => Math.floor((sum * tenths + 500) / 1_000));
        }
      };
      /** What an invoice has beside its lines, and their sum with it. */
      const withTerms = (payer: string | null, lines: readonly { amount: string }[]) => {
        const sum = Math.round(lines.reduce((cents, { amount }) => cents + Number(amount) * 100, 0));
        const off = payer === customer ? (inForceOf(discount)?.apply(sum) ?? 0) : 0;
        const added = payer === customer ? (inForceOf(minimum)?.apply(sum - off) ?? 0) : 0;
        return {
          total: decimal(sum - off + added),
          ...(off > 0 && { discount: decimal(off) }),
          ...(added > 0 && { minimum: decimal(added) }),
        };
      };
      const payerOf = (agent: string) => (agent === own ? null : customer);
      const events: { id: string; agent: string; meter: string; quantity: number }[] = [];
      const refunded = new Set<string>();
      const closed: { id: string; expected: Due[]; previewed: Previewed[] }[] = [];

      /** Closes the books of the model, and says what its invoices must be. */
      const closeModel = () => {
        const invoices: Record<string, { meterName: string; quantity: number; amount: string }[]> = {};
        for (const [name, book] of books) {
          const [payer = "", meterName = ""] = name.split(" ");
          const net = book.used + book.adjusted + book.carried;
          if (book.used > 0 || net > 0) {
            const quantity = Math.max(0, net);
            const page = (payer === customer ? inForce.own : null) ?? inForce.everybody;
            // Of what the account itself carries over, no agent is known whose free units it would leave.
            const free = Math.min(8, Math.max(0, payer === customer ? net : book.used + book.adjusted));
            const cost = THOUSANDTHS[meterName]?.(quantity, free) ?? quantity * page;
            const cents = Math.floor((cost + 5) / 10);
            const line = { meterName, quantity, amount: (cents / 100).toFixed(2) };
            invoices[payer] = [...(invoices[payer] ?? []), line].sort((a, b) =>
              a.meterName < b.meterName ? -1 : 1,
            );
          }
          books.set(name, { used: 0, adjusted: 0, carried: Math.min(0, net) });
        }
        Object.assign(inForce, set);
        if (inForceOf(minimum) !== null) invoices[customer] ??= [];
        const made = [customer, null].flatMap((payer) => {
          const lines = invoices[String(payer)];
          return lines === undefined ? [] : [{ customerId: payer, lines, ...withTerms(payer, lines) }];
        });
        passPeriod(discount);
        passPeriod(minimum);
        return made;
      };

      const previewOf = async (periodId: string): Promise<Previewed[]> =>
        (await get(`billing/preview?periodId=${periodId}`)).map(asPreviewed);

      /** Closes the period, and keeps what was said before that its invoices would be. */
      const closeBooks = async () => {
        const open = await get("billing/periods/current");
        const previewed = await previewOf(open.id);
        const agents: AgentCost[] = await get(`billing/preview/agents?periodId=${open.id}&limit=100`);
        expect(await closeCurrentPeriod(api, key)).toBe(open.id);
        closed.push({ id: open.id, expected: closeModel(), previewed });
        for (const { customerId, lines } of previewed) {
          for (const { meterName, amount, quantity } of lines) {
            const shares = agents.filter(
              (one) => one.customerId === customerId && one.meterName === meterName,
            );
            const sum = shares.reduce((total, { cost }) => total.plus(cost), new Big(0));
            // Each is rounded at its twelfth decimal.
            expect(sum.round(9).round(2, Big.roundHalfUp).toFixed(2), `${quantity} ${meterName}`).toBe(
              amount,
            );
          }
        }
      };

      for (let step = 0; step < 60; step += 1) {
        const agent = pick([agentId, own]);
        const meter = pick([METER, ...Object.keys(PRICES)]);
        const chance = random();
        if (chance < 0.38) {
          const { id, quantity } = await use(agent, upTo(40), meter);
          events.push({ id, agent, meter, quantity });
          bookOf(payerOf(agent), meter).used += quantity;
        } else if (chance < 0.6) {
          const quantity = random() < 0.7 ? -upTo(60) : upTo(30);
          expect((await adjust(agent, quantity, { meterName: meter })).status).toBe(201);
          bookOf(payerOf(agent), meter).adjusted += quantity;
        } else if (chance < 0.78 && events.length > 0) {
          const event = pick(events);
          const { status }: Answer = await refund(event.id);
          expect(status).toBe(refunded.has(event.id) ? 409 : 201);
          if (refunded.has(event.id)) continue;
          refunded.add(event.id);
          bookOf(payerOf(event.agent), event.meter).adjusted -= event.quantity;
        } else if (chance < 0.82) {
          await setPagePrice();
        } else if (chance < 0.9) {
          await setTerm();
        } else if (chance < 0.97) {
          await closeBooks();
        } else if (closed.length > 0) {
          // At any time and again.
          await invoicesOf(pick(closed).id);
        }
      }
      await closeBooks();
      for (const { id, expected, previewed } of closed) {
        const pending = await get(`billing/uninvoiced?periodId=${id}`);
        for (const { customerId, usage, total } of pending) {
          const due = expected.find((one) => one.customerId === customerId);
          const lines = due?.lines;
          expect(total).toBe(due?.total);
          expect(usage.map(({ quantity }: { quantity: number }) => quantity)).toEqual(
            lines?.map(({ quantity }) => quantity),
          );
        }
        for (const { discount: off, minimum: added } of previewed) {
          seen.discounts += off === undefined ? 0 : 1;
          seen.minimums += added === undefined ? 0 : 1;
        }
        expect(await previewOf(id)).toEqual(previewed);
        const invoices = await invoicesOf(id);
        expect(invoices.map(asPreviewed)).toEqual(previewed);
        expect((await previewOf(id)).map(({ total }) => total)).toEqual(previewed.map(({ total }) => total));
        expect(
          invoices.map(
            ({
              customerId,
              lines,
              total,
              discount: off,
              minimum: added,
            }: Previewed & { lines: Record<string, unknown>[] }) => ({
              customerId,
              lines: lines.map(({ meterName, quantity, amount }) => ({ meterName, quantity, amount })),
              total,
              ...(off && { discount: off.amount }),
              ...(added && { minimum: added.amount }),
            }),
          ),
        ).toEqual(expected);
        const period = await get(`billing/periods/${id}`);
        const sums = new Map<string, number>();
        for (const { totalUsage } of invoices as { totalUsage: Record<string, number> }[]) {
          for (const [name, quantity] of Object.entries(totalUsage)) {
            sums.set(name, (sums.get(name) ?? 0) + quantity);
          }
        }
        for (const { meterName, quantity } of period.totals) {
          expect(quantity).toBe(sums.get(meterName) ?? 0);
        }
        expect(await check(id)).toMatchObject({ differences: [], invoices: expected.length });
      }
      expect(await checkTotals(api.db)).toEqual([]);
    },
    60_000,
  );

  it("has had discounts and minimums in it", () => {
    expect(seen.discounts).toBeGreaterThan(5);
    expect(seen.minimums).toBeGreaterThan(5);
  });
});

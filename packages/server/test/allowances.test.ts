import Big from "big.js";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { billedAccount, METER } from "./support/billed-account.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

/** Ten free a day, and 0.10 for each one more. */
const TEN_A_DAY = { model: "per_unit", unitPrice: "0.10", allowance: { quantity: 10, every: "day" } };
const TEN_A_PERIOD = { ...TEN_A_DAY, allowance: { quantity: 10, every: "period" } };

const BEGIN = "2027-05-01T08:00:00.000Z";
const LATE = "2027-05-28T08:00:00.000Z";
const JUNE = "2027-06-01T00:00:00.000Z";

interface Line {
  readonly meterName: string;
  readonly quantity: number;
  readonly amount: string;
  readonly allowance?: { readonly quantity: number; readonly every: string; readonly free: string };
}

interface Charged {
  readonly id?: string;
  readonly customerId: string | null;
  readonly lines: readonly Line[];
  readonly total: string;
}

describeOnEachDatabase("a free allowance in front of a price on $name", (database) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(database, { logLevel: "silent" });
  }, 60_000);
  afterEach(() => api.setTime(null));
  afterAll(() => api.close());

  /** A customer with two agents and two agents of nobody, who pay by a price from the first of May on. */
  async function allowed(price: object = TEN_A_DAY) {
    api.setTime(BEGIN);
    const account = await billedAccount(api);
    const { make, get, customer, agentId } = account;
    const [meter] = await get(`meters?name=${METER}`);
    const { startsAt, id: periodId } = await get("billing/periods/current");
    const setPrice = async (of: object, more: object = {}) => {
      // The one that the account had before is from later in the day on.
      for (const effectiveFrom of [startsAt, BEGIN]) {
        await make(`meters/${meter.id}/prices`, { price: of, effectiveFrom, ...more });
      }
    };
    await setPrice(price);
    const sibling: string = (await make("agents", { name: "b", customerId: customer })).id;
    const other: string = (await make("agents", { name: "other" })).id;
    const on = async (agent: string, quantity: number, day: string) => {
      api.setTime(day < "2027-06" ? LATE : "2027-06-02T00:00:00.000Z");
      const events = [{ agentId: agent, meterName: METER, quantity, timestamp: `${day}T12:00:00.000Z` }];
      return (await make("usage/events", { events })).results[0].event;
    };
    const tokenOf = async (agent: string): Promise<string> =>
      (await make("mcp/authorize", { agentId: agent, scopes: ["mcp:invoke"], expiresIn: 7_776_000 })).token;
    /** Closes May, and returns what was said before the close, and after it, and the invoices. */
    const bill = async (): Promise<{ previewed: Charged[]; invoices: Charged[] }> => {
      const previewed: Charged[] = await get(`billing/preview?periodId=${periodId}`);
      api.setTime(JUNE);
      await make(`billing/periods/${periodId}/close`);
      const pending: Charged[] = await get(`billing/uninvoiced?periodId=${periodId}`);
      const invoices: Charged[] = await account.invoicesOf(periodId);
      expect(previewed.map(({ lines }) => lines)).toEqual(invoices.map(({ lines }) => lines));
      expect(pending.map(({ total }) => total)).toEqual(invoices.map(({ total }) => total));
      expect(await account.check(periodId)).toMatchObject({ differences: [], invoices: invoices.length });
      return { previewed, invoices };
    };
    return {
      ...account,
      meter,
      periodId,
      setPrice,
      sibling,
      other,
      on,
      tokenOf,
      bill,
      token: await tokenOf(agentId),
    };
  }

  const me = async (token: string) =>
    (await api.call("GET", "/api/v1/mcp/me", { token })).body.data.allowances;
  const left = async (token: string) => (await me(token))[0].remaining;
  const verify = (token: string, quantity: number, at: Pick<TestApi, "call"> = api, more: object = {}) =>
    at.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: METER, quantity, ...more } });

  it("counts each day for itself, for a customer's agents together and for each agent without one alone", async () => {
    const { agentId, sibling, own, other, on, bill, customer, get } = await allowed();
    await on(agentId, 8, "2027-05-01");
    await on(sibling, 7, "2027-05-01");
    await on(agentId, 3, "2027-05-02");
    await on(own, 12, "2027-05-01");
    await on(other, 9, "2027-05-01");
    await on(other, 11, "2027-05-03");
    const costs = await get("billing/preview/agents");
    const costOf = (agent: string) => costs.find((one: { agentId: string }) => one.agentId === agent).cost;
    // A customer's agents share what is free; of the others each has its own.
    expect([agentId, sibling, own, other].map(costOf)).toEqual([
      "0.305555555556",
      "0.194444444444",
      "0.2",
      "0.1",
    ]);
    const { invoices } = await bill();
    expect(invoices).toMatchObject([
      {
        customerId: customer,
        total: "0.50",
        lines: [{ quantity: 18, amount: "0.50", allowance: { ...TEN_A_DAY.allowance, free: "13" } }],
      },
      {
        customerId: null,
        total: "0.30",
        lines: [{ quantity: 32, amount: "0.30", allowance: { ...TEN_A_DAY.allowance, free: "29" } }],
      },
    ]);
  });

  it("counts the whole period, for an agent without a customer alone", async () => {
    const { key, agentId, sibling, own, other, on, bill } = await allowed(TEN_A_PERIOD);
    await on(agentId, 8, "2027-05-01");
    await on(sibling, 7, "2027-05-09");
    await on(own, 12, "2027-05-01");
    await on(other, 9, "2027-05-01");
    const { invoices } = await bill();
    expect(invoices).toMatchObject([
      { total: "0.50", lines: [{ allowance: { free: "10" } }] },
      { total: "0.20", lines: [{ allowance: { free: "19" } }] },
    ]);
    const page = await fetch(`${api.url}/api/v1/billing/invoices/${invoices[0]?.id}/html`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(await page.text()).toContain("<small>10 free</small>");
  });

  it("is another one with a customer's own price", async () => {
    const { agentId, own, on, bill, customer, setPrice } = await allowed();
    await setPrice({ ...TEN_A_DAY, allowance: { quantity: 2, every: "day" } }, { customerId: customer });
    await on(agentId, 8, "2027-05-01");
    await on(own, 8, "2027-05-01");
    expect((await bill()).invoices).toMatchObject([
      { total: "0.60", lines: [{ ownPrice: true, allowance: { quantity: 2, free: "2" } }] },
      { total: "0.00", lines: [{ allowance: { quantity: 10, free: "8" } }] },
    ]);
  });

  it("has days in the account's time zone", async () => {
    api.setTime(BEGIN);
    const { key } = await api.createAccount({ timeZone: "America/New_York" });
    const send = async (path: string, body?: object) =>
      (await api.call(body ? "POST" : "GET", `/api/v1/${path}`, { token: key, ...(body && { body }) })).body
        .data;
    await send("meters", { name: "pages", price: TEN_A_DAY });
    const { agentId, token } = await createAuthorizedAgent(api, key, { expiresIn: 7_776_000 });
    api.setTime("2027-05-03T03:00:00.000Z");
    for (const timestamp of ["2027-05-02T03:59:59.000Z", "2027-05-02T04:00:00.000Z"]) {
      await send("usage/events", { events: [{ agentId, meterName: "pages", quantity: 10, timestamp }] });
    }
    expect(await send("billing/preview")).toMatchObject([{ total: "0.00" }]);
    expect(await me(token)).toEqual([
      {
        meterName: "pages",
        quantity: 10,
        every: "day",
        used: 10,
        remaining: 0,
        resetsAt: "2027-05-03T04:00:00.000Z",
      },
    ]);
    api.setTime("2027-05-03T04:00:00.000Z");
    expect(await left(token)).toBe(10);
  });

  it("is told to an agent with its own token, with what its customer's other agents used of it", async () => {
    const { token, sibling, own, tokenOf } = await allowed();
    const [of, alone] = [await tokenOf(sibling), await tokenOf(own)];
    expect(await left(token)).toBe(10);
    await verify(of, 4);
    await verify(alone, 1);
    expect(await me(token)).toEqual([
      {
        meterName: METER,
        quantity: 10,
        every: "day",
        used: 4,
        remaining: 6,
        resetsAt: "2027-05-02T00:00:00.000Z",
        shared: true,
      },
    ]);
    expect((await me(alone))[0]).toMatchObject({ used: 1, remaining: 9 });
    expect((await me(alone))[0]).not.toHaveProperty("shared");
    await verify(token, 20);
    expect((await me(of))[0]).toMatchObject({ used: 10, remaining: 0 });
    api.setTime("2027-05-02T00:00:00.000Z");
    expect(await left(of)).toBe(10);
    expect((await api.call("GET", "/api/v1/mcp/prices", { token })).body.data[0].price).toEqual(TEN_A_DAY);
  });

  it("goes on over a restart and with a new token", async () => {
    const { token, tokenOf, agentId, bill } = await allowed();
    await verify(token, 7);
    await api.restart();
    const fresh = await tokenOf(agentId);
    expect(await left(fresh)).toBe(3);
    await verify(fresh, 7);
    expect(await left(fresh)).toBe(0);
    expect((await bill()).invoices).toMatchObject([
      { total: "0.40", lines: [{ allowance: { free: "10" } }] },
    ]);
  });

  it("starts again with the next period, and is told of before a period is open", async () => {
    const { token, bill } = await allowed(TEN_A_PERIOD);
    await verify(token, 7);
    expect(await me(token)).toMatchObject([{ remaining: 3, resetsAt: JUNE }]);
    await bill();
    expect(await me(token)).toMatchObject([
      { used: 0, remaining: 10, every: "period", resetsAt: "2027-07-01T00:00:00.000Z" },
    ]);
  });

  it("is given back with a refund, and goes before an adjustment, which belongs to no day", async () => {
    const { token, agentId, on, refund, adjust, bill, get } = await allowed();
    const free = await on(agentId, 6, "2027-05-01");
    const over = await on(agentId, 14, "2027-05-02");
    await on(agentId, 2, "2027-05-03");
    await refund(free.id);
    api.setTime("2027-05-01T20:00:00.000Z");
    expect(await left(token)).toBe(10);
    api.setTime(LATE);
    expect((await bill()).invoices).toMatchObject([
      { total: "0.40", lines: [{ quantity: 16, allowance: { free: "12" } }] },
    ]);
    // The next period: the refund of an event that was billed takes away what is charged.
    await on(agentId, 13, "2027-06-01");
    await refund(over.id);
    expect(await get("billing/preview")).toMatchObject([{ total: "0.00" }]);
    await adjust(agentId, 16);
    expect(await get("billing/preview")).toMatchObject([
      { total: "0.50", lines: [{ quantity: 15, allowance: { free: "10" } }] },
    ]);
  });

  if (database.name === "PostgreSQL") {
    it("is exact on two processes at once, with a new token at each", async () => {
      const { token, tokenOf, sibling, agentId, make, get, customer, periodId } = await allowed();
      const budget = await make("budgets", { customerId: customer, amount: "0.50", enforced: true });
      const peer = await api.startPeer();
      try {
        const tokens = [token, await tokenOf(agentId), await tokenOf(sibling)];
        const answers = await Promise.all(
          Array.from({ length: 40 }, (_, index) =>
            verify(tokens[index % 3] ?? token, 1, index % 2 === 0 ? api : peer),
          ),
        );
        // Ten are free, and five are paid for.
        expect(answers.filter(({ status }) => status === 200)).toHaveLength(15);
        expect((await get(`budgets/${budget.id}`)).amounts.used).toBe("0.5");
        expect(await get(`billing/preview?periodId=${periodId}`)).toMatchObject([
          { total: "0.50", lines: [{ quantity: 15, allowance: { free: "10" } }] },
        ]);
      } finally {
        await peer.close();
      }
    });
  }

  it("is counted again by the check of a period, by the allowance that the invoice was made with", async () => {
    const { agentId, on, bill, periodId, setPrice, check } = await allowed();
    await on(agentId, 12, "2027-05-01");
    await bill();
    await setPrice({ ...TEN_A_DAY, allowance: { quantity: 3, every: "day" } });
    expect((await check(periodId)).differences).toEqual([]);
    await api.db.query(
      `UPDATE invoices SET lines = jsonb_set(lines, '{0,allowance,free}', '"9"') WHERE period_id = $1`,
      [periodId],
    );
    expect((await check(periodId)).differences).toMatchObject([
      { kind: "lines", meterName: METER, what: "free units", expected: "10", found: "9" },
    ]);
  });

  it("costs nothing under budgets in money, and the next unit its price, with holds and on the next day", async () => {
    const { token, tokenOf, sibling, make, get, agentId, customer, on } = await allowed();
    const of = await tokenOf(sibling);
    const windows = ["day", "period", "total"] as const;
    const budgets: { id: string }[] = [];
    for (const window of windows) {
      budgets.push(await make("budgets", { customerId: customer, amount: "0.30", window, enforced: true }));
    }
    const own = await make("budgets", { agentId, amount: "5", window: "day" });
    const used = async () => {
      const states = await Promise.all(budgets.map(({ id }) => get(`budgets/${id}`)));
      return states.map(({ amounts }) => amounts.used);
    };
    const hold = async (quantity: number) =>
      (await api.call("POST", "/api/v1/mcp/reserve", { token: of, body: { meterName: METER, quantity } }))
        .body.data.reservation.id;
    expect((await verify(token, 8)).status).toBe(200);
    const held = await hold(2);
    expect(await used()).toEqual(["0", "0", "0"]);
    expect((await verify(token, 4)).status).toBe(402);
    expect((await verify(token, 3)).status).toBe(200);
    expect(await used()).toEqual(["0.3", "0.3", "0.3"]);
    // The agent alone has used eleven, of which ten are free.
    expect((await get(`budgets/${own.id}`)).amounts.used).toBe("0.1");
    await api.call("POST", `/api/v1/mcp/reservations/${held}/release`, { token: of });
    expect(await used()).toEqual(["0.1", "0.1", "0.1"]);

    api.setTime("2027-05-02T08:00:00.000Z");
    expect(await used()).toEqual(["0", "0.1", "0.1"]);
    expect((await verify(token, 13)).status).toBe(402);
    expect((await verify(token, 12)).status).toBe(200);
    expect(await used()).toEqual(["0.2", "0.3", "0.3"]);
    expect((await verify(token, 1)).status).toBe(402);
    // What is said of the past has the free units of its own day.
    await on(agentId, 4, "2027-05-20");
    expect(await used()).toEqual(["0", "0.3", "0.3"]);
    await on(agentId, 7, "2027-05-20");
    expect(await used()).toEqual(["0", "0.4", "0.4"]);
    expect((await verify(token, 10)).status).toBe(200);
    expect((await verify(token, 1)).status).toBe(402);
  });
});

interface AgentCost {
  readonly agentId: string;
  readonly customerId: string | null;
  readonly meterName: string;
  readonly cost: string;
}

/** A generator of whole numbers from 0 on, below a bound, that gives the same ones for the same seed. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

/** Prices with an allowance, and what units that are charged cost in thousandths. */
const PRICES: readonly (readonly [string, object, (charged: number) => number])[] = [
  ["pages", { model: "per_unit", unitPrice: "0.003" }, (charged) => charged * 3],
  [
    "packs",
    { model: "package", packageSize: 7, packagePrice: "1.001" },
    (charged) => Math.ceil(charged / 7) * 1001,
  ],
  [
    "tokens",
    {
      model: "graduated",
      tiers: [
        { upTo: 20, unitPrice: "0.05", flatPrice: "0.1" },
        { upTo: null, unitPrice: "0.007" },
      ],
    },
    (charged) => (charged === 0 ? 0 : 100 + Math.min(charged, 20) * 50 + Math.max(0, charged - 20) * 7),
  ],
  [
    "bulk",
    {
      model: "volume",
      tiers: [
        { upTo: 15, unitPrice: "0.05" },
        { upTo: null, unitPrice: "0.02" },
      ],
    },
    (charged) => charged * (charged <= 15 ? 50 : 20),
  ],
];

/** What was done in the model; `day` is null of an adjustment. */
interface Entry {
  readonly agent: string;
  readonly meter: string;
  readonly day: number | null;
  readonly quantity: number;
}

describeOnEachDatabase("random allowances on $name", (database) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(database, { logLevel: "silent" });
  }, 60_000);
  afterAll(() => api.close());

  it.each([1, 2, 3, 4, 5, 6])("are what a little model of them says, seed %i", async (seed) => {
    const random = seeded(seed);
    api.setTime(BEGIN);
    const { get, make, customer, agentId, own, refund, adjust, invoicesOf, check } = await billedAccount(api);
    const sibling: string = (await make("agents", { name: "b", customerId: customer })).id;
    const other: string = (await make("agents", { name: "other" })).id;
    const payerOf = (agent: string) => (agent === agentId || agent === sibling ? customer : null);
    const allowances = new Map<string, { quantity: number; every: "day" | "period" }>();
    for (const [name, price] of PRICES) {
      const allowance = { quantity: random(12), every: random(3) === 0 ? "period" : "day" } as const;
      allowances.set(name, allowance);
      await make("meters", { name, price: { ...price, allowance } });
    }
    const budgets: { id: string; agents: string[]; window: string }[] = [];
    for (const window of ["period", "total", "day"]) {
      const ofCustomer = await make("budgets", { customerId: customer, amount: "9", window });
      const ofAgent = await make("budgets", { agentId: own, amount: "9", window });
      budgets.push({ id: ofCustomer.id, agents: [agentId, sibling], window });
      budgets.push({ id: ofAgent.id, agents: [own], window });
    }
    const entries: Entry[] = [];
    const events: (Entry & { readonly id: string })[] = [];

    /** The units that the model charges of entries of one payer and one meter. */
    const charged = (of: readonly Entry[], meter: string) => {
      const { quantity = 0, every = "day" } = allowances.get(meter) ?? {};
      const groups = new Map<string, number>();
      for (const { agent, day, quantity: units } of of) {
        if (every === "day" && day === null) continue;
        const group = `${payerOf(agent) ?? agent} ${every === "day" ? day : ""}`;
        groups.set(group, (groups.get(group) ?? 0) + units);
      }
      const free = [...groups.values()].reduce(
        (sum, units) => sum + Math.max(0, Math.min(units, quantity)),
        0,
      );
      return Math.max(0, of.reduce((sum, { quantity: units }) => sum + units, 0) - free);
    };

    for (let step = 0; step < 50; step += 1) {
      const agent = [agentId, sibling, own, other][random(4)] ?? own;
      const meter = PRICES[random(PRICES.length)]?.[0] ?? METER;
      const chance = random(10);
      const event = events[random(events.length + 1)];
      if (chance < 7) {
        const [day, quantity] = [1 + random(5), 1 + random(15)];
        api.setTime(`2027-05-0${day}T12:00:00.000Z`);
        const { results } = await make("usage/events", {
          events: [{ agentId: agent, meterName: meter, quantity }],
        });
        const entry = { agent, meter, day, quantity };
        entries.push(entry);
        events.push({ ...entry, id: results[0].event.id });
      } else if (chance === 7) {
        const quantity = random(2) === 0 ? -1 - random(9) : 1 + random(9);
        await adjust(agent, quantity, { meterName: meter });
        entries.push({ agent, meter, day: null, quantity });
      } else if (event !== undefined) {
        await refund(event.id);
        events.splice(events.indexOf(event), 1);
        entries.push({ ...event, quantity: -event.quantity });
      }
    }
    api.setTime("2027-05-05T18:00:00.000Z");

    // Budgets count what was recorded, without corrections.
    const recorded = entries.filter(({ day, quantity }) => day !== null && quantity > 0);
    for (const { id, agents, window } of budgets) {
      const inThousandths = PRICES.reduce((sum, [meter, , cost]) => {
        const all = recorded.filter((entry) => agents.includes(entry.agent) && entry.meter === meter);
        const before = window === "day" ? all.filter(({ day }) => day !== 5) : [];
        return sum + cost(charged(all, meter)) - cost(charged(before, meter));
      }, 0);
      const { amounts } = await get(`budgets/${id}`);
      expect(Number(amounts.used), window).toBe(Math.max(0, inThousandths) / 1_000);
    }

    const { id } = await get("billing/periods/current");
    const expected = [customer, null].map((payer) => ({
      customerId: payer,
      lines: PRICES.toSorted(([one], [two]) => (one < two ? -1 : 1)).flatMap(([meter, , cost]) => {
        const of = entries.filter((entry) => payerOf(entry.agent) === payer && entry.meter === meter);
        const quantity = Math.max(
          0,
          of.reduce((sum, entry) => sum + entry.quantity, 0),
        );
        const hasUsage = of.some(({ day }) => day !== null);
        if (!hasUsage && quantity === 0) return [];
        const amount = Math.floor((cost(charged(of, meter)) + 5) / 10) / 100;
        const free = String(quantity - charged(of, meter));
        return [
          {
            meterName: meter,
            quantity,
            amount: amount.toFixed(2),
            allowance: { ...allowances.get(meter), free },
          },
        ];
      }),
    }));
    const previewed: Charged[] = await get(`billing/preview?periodId=${id}`);
    const agents: AgentCost[] = await get(`billing/preview/agents?periodId=${id}&limit=100`);
    for (const { customerId, lines } of expected) {
      for (const { meterName, amount } of lines) {
        const shares = agents.filter((one) => one.customerId === customerId && one.meterName === meterName);
        const sum = shares.reduce((total, { cost }) => total.plus(cost), new Big(0));
        expect(sum.round(9).round(2, Big.roundHalfUp).toFixed(2)).toBe(amount);
      }
    }
    for (const agent of [own, other]) {
      const of = entries.filter((entry) => entry.agent === agent && entry.meter === "pages");
      const cost = agents.find((one) => one.agentId === agent && one.meterName === "pages")?.cost;
      // What is taken away on no day may be more than the agent is charged, and then takes from the other.
      const corrected = entries.some(({ meter, day }) => meter === "pages" && day === null);
      if (!corrected) expect(cost ?? "0").toBe(new Big(charged(of, "pages")).times("0.003").toFixed());
    }
    api.setTime(JUNE);
    await make(`billing/periods/${id}/close`);
    const pending: Charged[] = await get(`billing/uninvoiced?periodId=${id}`);
    const invoices: Charged[] = await invoicesOf(id);
    expect(invoices).toMatchObject(expected);
    expect(previewed).toMatchObject(expected);
    expect(pending.map(({ total }) => total)).toEqual(invoices.map(({ total }) => total));
    expect(await check(id)).toMatchObject({ differences: [], invoices: 2 });
  });
});

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
      api.setTime(day < JUNE ? LATE : "2027-06-02T00:00:00.000Z");
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
    const { agentId, sibling, own, other, on, bill, customer } = await allowed();
    await on(agentId, 8, "2027-05-01");
    await on(sibling, 7, "2027-05-01");
    await on(agentId, 3, "2027-05-02");
    await on(own, 12, "2027-05-01");
    await on(other, 9, "2027-05-01");
    await on(other, 11, "2027-05-03");
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
    const { agentId, sibling, own, other, on, bill } = await allowed(TEN_A_PERIOD);
    await on(agentId, 8, "2027-05-01");
    await on(sibling, 7, "2027-05-09");
    await on(own, 12, "2027-05-01");
    await on(other, 9, "2027-05-01");
    expect((await bill()).invoices).toMatchObject([
      { total: "0.50", lines: [{ allowance: { free: "10" } }] },
      { total: "0.20", lines: [{ allowance: { free: "19" } }] },
    ]);
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
    for (const timestamp of ["2027-05-02T03:59:59.000Z", "2027-05-02T04:00:00.000Z"]) {
      await send("usage/events", { events: [{ agentId, meterName: "pages", quantity: 10, timestamp }] });
    }
    api.setTime("2027-05-03T03:00:00.000Z");
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
});

import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestApi, type TestApi } from "./support/api.ts";
import { billedAccount, METER } from "./support/billed-account.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

const NOVEMBER = "2026-11-01T00:00:00.000Z";
const MID = "2026-11-14T12:00:00.000Z";
const DECEMBER = "2026-12-01T00:00:00.000Z";
const JANUARY = "2027-01-01T00:00:00.000Z";

const OWN = "0.03";
const EVERYBODYS = "0.10";

/** Something that is set: the customer's own price, or null for no price of its own. */
interface Change {
  readonly unitPrice: string | null;
  readonly at: string;
  readonly from?: string;
}

/** The changes, the customer's price in November and in December, and from when on the last change is billed. */
const CASES: readonly [string, readonly Change[], string, string, string | null][] = [
  ["one set in mid-month", [{ unitPrice: OWN, at: MID }], EVERYBODYS, OWN, DECEMBER],
  ["one for the month that runs", [{ unitPrice: OWN, at: MID, from: NOVEMBER }], OWN, OWN, NOVEMBER],
  ["one for later", [{ unitPrice: OWN, at: MID, from: JANUARY }], EVERYBODYS, EVERYBODYS, JANUARY],
  [
    "one that ends",
    [
      { unitPrice: OWN, at: MID, from: NOVEMBER },
      { unitPrice: null, at: MID },
    ],
    OWN,
    EVERYBODYS,
    DECEMBER,
  ],
  [
    "one that is taken back at once",
    [
      { unitPrice: OWN, at: MID, from: NOVEMBER },
      { unitPrice: null, at: MID, from: NOVEMBER },
    ],
    EVERYBODYS,
    EVERYBODYS,
    NOVEMBER,
  ],
  [
    "one that another takes over from",
    [
      { unitPrice: "0.05", at: MID },
      { unitPrice: OWN, at: "2026-11-20T00:00:00.000Z" },
    ],
    EVERYBODYS,
    OWN,
    DECEMBER,
  ],
];

describeOnEachDatabase("a customer's own price on $name", (database) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(database, { logLevel: "silent" });
  }, 60_000);
  afterAll(() => api.close());

  /** A customer and an agent of nobody, who pay 0.10 a unit. */
  async function billed() {
    const account = await billedAccount(api);
    const [meter] = await account.get(`meters?name=${METER}`);
    const set = (body: object) => account.make(`meters/${meter.id}/prices`, body);
    const unitPriceFor = async (more = "") =>
      (await account.get(`meters?name=${METER}${more}`))[0].price.unitPrice;
    return { ...account, meterId: meter.id, set, unitPriceFor };
  }

  it.each(CASES)(
    "is answered, listed, previewed and billed alike, for its agents alone: %s",
    async (_, changes, november, december, billedFrom) => {
      api.setTime("2026-10-05T00:00:00.000Z");
      const { customer, agentId, own, use, get, make, set, meterId, unitPriceFor, check } = await billed();
      const { token } = await make("mcp/authorize", {
        agentId,
        scopes: ["mcp:invoke"],
        expiresIn: 7_776_000,
      });
      let answer: object | undefined;
      for (const { unitPrice, at, from } of changes) {
        api.setTime(at);
        await use(agentId, 10);
        await use(own, 10);
        answer = await set({
          price: unitPrice === null ? null : { model: "per_unit", unitPrice },
          customerId: customer,
          ...(from && { effectiveFrom: from }),
        });
      }
      expect(answer).toMatchObject({ customerId: customer, billedFrom });
      expect((await get(`meters/${meterId}/prices?customerId=${customer}`))[0]).toEqual(answer);
      api.setTime("2026-11-30T00:00:00.000Z");
      const [listed] = await get(`meters?customerId=${customer}`);
      expect(listed.price.unitPrice).toBe(november);
      expect(listed.ownPrice).toBe(november === OWN ? true : undefined);
      expect(listed.nextPrice?.price.unitPrice ?? november).toBe(december);
      expect(await unitPriceFor()).toBe(EVERYBODYS);
      const told = await api.call("GET", `/api/v1/mcp/prices?meterName=${METER}`, { token });
      expect(told.body.data[0].price.unitPrice).toBe(november);

      for (const [now, expected] of [
        [DECEMBER, november],
        [JANUARY, december],
      ] as const) {
        const [period] = await get("billing/periods?status=open");
        const previewed = await get(`billing/preview?periodId=${period.id}`);
        api.setTime(now);
        await make(`billing/periods/${period.id}/close`);
        const { outcomes } = await make(`billing/periods/${period.id}/invoices`);
        const lines = outcomes.map(({ invoice }: { invoice: { lines: object[] } }) => invoice.lines);
        expect(lines).toMatchObject([[{ unitPrice: expected }], [{ unitPrice: EVERYBODYS }]]);
        expect(lines[0][0].ownPrice).toBe(expected === OWN ? true : undefined);
        expect(lines[1][0]).not.toHaveProperty("ownPrice");
        expect(previewed.map((cost: { lines: object[] }) => cost.lines)).toEqual(lines);
        expect(await check(period.id)).toMatchObject({ differences: [], invoices: 2 });
        await use(agentId, 10);
        await use(own, 10);
      }
    },
  );

  it("is the first price that a meter has, for the customer alone", async () => {
    api.setTime("2026-11-05T00:00:00.000Z");
    const { customer, agentId, own, use, get, make } = await billed();
    const { id } = await make("meters", { name: "pages" });
    await use(agentId, 4, "pages");
    await use(own, 4, "pages");
    api.setTime(MID);
    const price = { model: "per_unit", unitPrice: "2" };
    const first = await make(`meters/${id}/prices`, { price, customerId: customer });
    expect(first.billedFrom).toBe(NOVEMBER);
    api.setTime("2026-11-15T00:00:00.000Z");
    const later = await make(`meters/${id}/prices`, { price: { ...price, unitPrice: "1" } });
    expect(later.billedFrom).toBe(NOVEMBER);
    api.setTime("2026-11-16T00:00:00.000Z");
    expect(await get("billing/preview")).toMatchObject([{ total: "8.00" }, { total: "4.00" }]);
  });

  it("changes no price of another customer, and of no other meter", async () => {
    api.setTime("2026-11-05T00:00:00.000Z");
    const { customer, set, make, get, unitPriceFor } = await billed();
    const other = (await make("customers", { name: "Other" })).id;
    await make("meters", { name: "pages", price: { model: "per_unit", unitPrice: "0.20" } });
    await set({
      price: { model: "per_unit", unitPrice: OWN },
      customerId: customer,
      effectiveFrom: NOVEMBER,
    });
    expect(await unitPriceFor(`&customerId=${customer}`)).toBe(OWN);
    expect(await unitPriceFor(`&customerId=${other}`)).toBe(EVERYBODYS);
    expect((await get(`meters?name=pages&customerId=${customer}`))[0].price.unitPrice).toBe("0.20");
  });

  it("is refused for a customer or a meter that does not exist, and null for everybody", async () => {
    const { customer, call, meterId } = await billed();
    const price = { model: "per_unit", unitPrice: OWN };
    const unknown = "0198a1f2-7c3e-7d8a-9b61-0f6c2d4e8a10";
    const set = (meter: string, body: object) => call("POST", `meters/${meter}/prices`, body);
    expect(await set(meterId, { price, customerId: unknown })).toMatchObject({ status: 404 });
    expect(await set(unknown, { price, customerId: customer })).toMatchObject({ status: 404 });
    expect(await set(meterId, { price: null })).toMatchObject({
      status: 400,
      body: { details: { issues: [{ path: "price" }] } },
    });
    expect(await call("GET", `meters?customerId=${unknown}`)).toMatchObject({
      status: 200,
      body: { data: [] },
    });
    expect(await call("GET", `meters/${unknown}/prices`)).toMatchObject({ status: 404 });
  });
});
